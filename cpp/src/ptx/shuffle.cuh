// Shuffles that say whether a lane had somebody to receive from.
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

// Adds to `sum` the value of the lane `distance` below, where there is one. Warp-collective. The
// shuffle says where there is one, so that no comparison of lane indices takes a register.
__device__ __forceinline__ void add_from_below(int32_t& sum, int32_t value, int32_t distance) {
#ifdef __CUDA_ARCH__
  asm volatile(
      "{\n"
      ".reg .s32 other;\n"
      ".reg .pred exists;\n"
      "shfl.sync.up.b32 other|exists, %1, %2, 0, 0xFFFFFFFF;\n"
      "@exists add.s32 %0, %0, other;\n"
      "}"
      : "+r"(sum)
      : "r"(value), "r"(distance));
#else
  const int32_t other = __shfl_up_sync(0xFFFFFFFFu, value, distance);
  if (static_cast<int32_t>(threadIdx.x % 32) >= distance) sum += other;
#endif
}

}  // namespace ggfp8::ptx
