// cvt: two float32 to a pair of FP8 values, round to nearest even, saturate to finite, NaN to 0x7F.
// The instruction exists from compute capability 8.9 on; others round in integers.
#pragma once

#include <cstdint>

#include "core/fp8_round.h"
#include "core/problem.h"

namespace ggfp8::ptx {

// The low byte is `low`.
template <Dtype kDtype>
__device__ __forceinline__ uint32_t round_to_fp8x2(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  uint16_t pair;
  if constexpr (kDtype == Dtype::kFloat8E4M3) {
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(high), "f"(low));
  }
  return pair;
#else
  return round_to_fp8<kDtype>(low) | (round_to_fp8<kDtype>(high) << 8);
#endif
}

}  // namespace ggfp8::ptx
