// The thread's number in its CTA, read where it is asked for: the compiler does not keep it, or
// what is computed from it, in registers from an earlier time on.
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

__device__ __forceinline__ uint32_t thread_idx() {
  uint32_t idx;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(idx));
  return idx;
}

}  // namespace ggfp8::ptx
