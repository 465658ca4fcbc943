// DeviceInfo: the facts about a device that selection and planning may depend on.
#pragma once

#include <cstdint>

#include "core/problem.h"

namespace ggfp8 {

// Instruction sets that code of the CPU is compiled for.
enum class InstructionSet : uint8_t { kPortable, kNeon, kAvx2, kAvx512 };

struct DeviceInfo {
  DeviceType type = DeviceType::kCpu;
  int32_t id = 0;
  char name[256] = {0};
  InstructionSet instruction_set = InstructionSet::kPortable;  // that the CPU is to use
  const char* amx_refusal =
      "the device is no CPU";  // why AMX is out of reach, null where it is not
  int32_t compute_major = 0;   // CUDA compute capability; 0 for the CPU
  int32_t compute_minor = 0;
  int32_t num_processors = 0;          // SMs, or usable CPU threads
  int64_t l2_bytes = 0;                // 0 where unknown
  int64_t max_smem_bytes_per_cta = 0;  // opt-in limit; 0 for the CPU
  int64_t smem_bytes_per_sm = 0;

  int32_t compute_capability() const { return compute_major * 10 + compute_minor; }
};

}  // namespace ggfp8
