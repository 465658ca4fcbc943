// The instruction-set paths that this build has and this processor can run.
//
// The environment variable GGFP8_CPU_ISA (portable, neon, avx2, avx512) chooses one. The choice
// travels in DeviceInfo::instruction_set.
#pragma once

#include <cstdint>
#include <span>

#include "backends/cpu/cpu_gemm.h"
#include "core/status.h"

namespace ggfp8 {

// Available paths, best first; the last is always "portable".
std::span<const CpuIsa* const> available_isas() noexcept;

// Finds the path to use: that of GGFP8_CPU_ISA, which must be available, or without it the best.
Status read_isa(const CpuIsa** isa) noexcept;

// Index of an instruction set in available_isas(), or of the portable one if it is not there.
int32_t isa_index(InstructionSet instruction_set) noexcept;

}  // namespace ggfp8
