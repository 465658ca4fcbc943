// Votes of warpgroups (sm_90a).
#pragma once

#include "ptx/uniform.cuh"

namespace ggfp8::ptx {

// A whole warpgroup: whether it is so for any of its threads. What that one has seen, all see
// behind this. `barrier` is a named barrier of the warpgroup's own.
__device__ __forceinline__ bool any_of_warpgroup(bool is_so, int barrier) {
  int any;
  asm volatile(
      "{\n"
      ".reg .pred mine, all;\n"
      "setp.ne.u32 mine, %1, 0;\n"
      "barrier.cta.red.or.pred all, %2, 128, mine;\n"
      "selp.u32 %0, 1, 0, all;\n"
      "}"
      : "=r"(any)
      : "r"(static_cast<int>(is_so)), "r"(barrier)
      : "memory");
  return uniform(any) != 0;
}

}  // namespace ggfp8::ptx
