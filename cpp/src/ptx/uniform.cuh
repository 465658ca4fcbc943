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

}  // namespace ggfp8::ptx
