// Values that are equal in all lanes of a warp.
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

// Returns the first lane's value. Warp-collective. The compiler then knows that branches on the
// value do not diverge, and may keep the value and what is computed from it in uniform registers.
template <class Integer>
__device__ __forceinline__ Integer uniform(Integer value) {
  return __shfl_sync(0xFFFFFFFFu, value, 0);
}

// Returns the value, which the compiler has then computed before any asm volatile that follows,
// such as a wait.
template <class Integer>
__device__ __forceinline__ Integer compute_now(Integer value) {
  asm volatile("" : "+r"(value));
  return value;
}

}  // namespace ggfp8::ptx
