// The index of the thread in its CTA. Every call reads it anew, so that the compiler keeps neither
// the index nor values computed from it in registers between two calls.
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

__device__ __forceinline__ uint32_t thread_idx() {
  uint32_t idx;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(idx));
  return idx;
}

}  // namespace ggfp8::ptx
