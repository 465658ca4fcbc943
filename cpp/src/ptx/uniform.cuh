// Values that are the same in all lanes of a warp.
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

// Whole warps: the first lane's. The compiler then knows that branches on it do not diverge, and
// may keep it, and what is computed from it, in uniform registers.
template <class Integer>
__device__ __forceinline__ Integer uniform(Integer value) {
  return __shfl_sync(0xFFFFFFFFu, value, 0);
}

}  // namespace ggfp8::ptx
