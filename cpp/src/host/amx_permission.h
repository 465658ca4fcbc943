// Whether this process may use AMX's tile registers.
//
// Linux gives their state, 8 KiB per thread, to processes that ask for it. Permission holds for all
// threads of the process and for its children.
#pragma once

namespace ggfp8 {

// Returns null where the process may use TDPBF16PS and the AVX-512 instructions around it; else the
// reason, a clause without a percent sign. The first call asks the kernel.
const char* amx_refusal() noexcept;

}  // namespace ggfp8
