// float32 -> FP8 in integers: round to nearest even, saturate to finite, one NaN (0x7F).
//
// Rounds as cvt.rn.satfinite does on GPUs that have it; others and the CPU run this. There are no
// branches, so that loops over it are vectorised.
// NOTE: the unnamed namespace keeps each instruction set's copy apart, as in host/output_convert.h.
#pragma once

#include <cstdint>

#include "core/math.h"
#include "core/problem.h"

namespace ggfp8 {
namespace {

// The largest finite value.
template <Dtype kDtype>
constexpr float kFp8Max = kDtype == Dtype::kFloat8E4M3 ? 448.0f : 57344.0f;

// For values that round to finite ones, which no NaN is.
//
// A float32 sum with a power of two rounds to its step. The power is chosen so that the step is
// that of FP8 where the value lies, and the sum's mantissa counts how many steps the value has.
template <Dtype kDtype>
GGFP8_HOST_DEVICE inline uint32_t round_finite_to_fp8(float value) {
  constexpr bool kIsE4M3 = kDtype == Dtype::kFloat8E4M3;
  constexpr uint32_t kShift = kIsE4M3 ? 20 : 21;  // mantissa bits that are rounded away
  constexpr uint32_t kMinNormal = (kIsE4M3 ? 121u : 113u) << 23;  // 2^-6, 2^-14
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t power = bits & 0x7F800000;
  const uint32_t exponent = power > kMinNormal ? power : kMinNormal;
  const uint32_t anchor = exponent + (kShift << 23);
  const float sum =
      __builtin_bit_cast(float, bits & 0x7FFFFFFF) + __builtin_bit_cast(float, anchor);
  const uint32_t num_steps = __builtin_bit_cast(uint32_t, sum) - anchor;
  return (num_steps + ((exponent - kMinNormal) >> kShift)) | ((bits >> 24) & 0x80);
}

template <Dtype kDtype>
GGFP8_HOST_DEVICE inline uint32_t round_to_fp8(float value) {
  constexpr float kMax = kFp8Max<kDtype>;
  const float below = value > kMax ? kMax : value;
  const float finite = below < -kMax ? -kMax : below;
  return value != value ? 0x7F : round_finite_to_fp8<kDtype>(finite);
}

}  // namespace
}  // namespace ggfp8
