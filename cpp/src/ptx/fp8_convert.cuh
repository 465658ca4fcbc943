// Exact conversion of four packed FP8 values to two packed pairs of f16.
//
// Every FP8 value is an f16 value: E5M2 is the upper byte of f16; E4M3 has a smaller exponent
// range and one more mantissa bit. Infinities and NaNs stay what they are.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "core/problem.h"

namespace ggfp8::ptx {

struct HalfPairs {
  uint32_t low;   // values 0 and 1
  uint32_t high;  // values 2 and 3
};

// Moves bytes 0, 1 (kFirst = 0) or 2, 3 (kFirst = 2) to the upper bytes of the two halves.
template <int kFirst>
__device__ __forceinline__ uint32_t spread_bytes(uint32_t packed) {
  return __byte_perm(packed, 0u, kFirst == 0 ? 0x1404 : 0x3424);
}

// Converts an E4M3 pair in the upper bytes to f16. Moving exponent and mantissa one bit down makes
// the value 2^8 times too small; the multiplication is exact, subnormals included. Codes 0x7F and
// 0xFF arrive as 480, the only magnitude above 448, and become NaN.
__device__ __forceinline__ uint32_t e4m3_pair_to_half(uint32_t spread) {
  const uint32_t bits = (spread & 0x80008000u) | ((spread >> 1) & 0x3F803F80u);
  const __half2 scaled =
      __hmul2(*reinterpret_cast<const __half2*>(&bits), __float2half2_rn(256.0f));
  const unsigned nan_mask = __hgt2_mask(__habs2(scaled), __float2half2_rn(448.0f));
  return *reinterpret_cast<const uint32_t*>(&scaled) | nan_mask;
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
// NOTE: the asm splits the halves, so that the upper half needs no shift of its own.
__device__ __forceinline__ HalfPairs e4m3x4_to_half_native(uint32_t packed) {
  HalfPairs pairs;
  asm("{\n"
      ".reg .b16 low, high;\n"
      "mov.b32 {low, high}, %2;\n"
      "cvt.rn.f16x2.e4m3x2 %0, low;\n"
      "cvt.rn.f16x2.e4m3x2 %1, high;\n"
      "}"
      : "=r"(pairs.low), "=r"(pairs.high)
      : "r"(packed));
  return pairs;
}
#endif

template <Dtype kDtype>
__device__ __forceinline__ HalfPairs fp8x4_to_half(uint32_t packed) {
  if constexpr (kDtype == Dtype::kFloat8E5M2) {
    return {spread_bytes<0>(packed), spread_bytes<2>(packed)};
  } else {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
    return e4m3x4_to_half_native(packed);
#else
    return {e4m3_pair_to_half(spread_bytes<0>(packed)), e4m3_pair_to_half(spread_bytes<2>(packed))};
#endif
  }
}

}  // namespace ggfp8::ptx
