// The rule of quantisation, for host and device: the scale of a block of elements, and the quotient
// of an element and the scale, rounded once.
//
// NOTE: the unnamed namespace keeps each instruction set's copy apart, as in host/output_convert.h.
#pragma once

#include <cstdint>

#include "core/math.h"

namespace ggfp8::steps {
namespace {

constexpr float kMaxFloat = 0x1.fffffep127f;

// Blocks whose largest magnitude is smaller are multiplied by kSmallFactor before the division,
// together with their scale.
constexpr float kSmallAmax = 0x1p-60f;
constexpr float kSmallFactor = 0x1p100f;

// The next power of two, from 2^-127 on. Scales do not reach 2^127.
GGFP8_HOST_DEVICE inline float next_power_of_two(float scale) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, scale);
  const uint32_t rounded = bits <= 0x00400000 ? 0x00400000 : (bits + 0x007FFFFF) & 0x7F800000;
  return __builtin_bit_cast(float, rounded);
}

// Returns the scale of a block. `amax` is its largest magnitude, at most kMaxFloat.
GGFP8_HOST_DEVICE inline float block_scale(float amax, float max_finite, bool power_of_two) {
  if (amax == 0.0f) return 1.0f;
  const float quotient = amax / max_finite;
  const float scale = quotient == 0.0f ? 0x1p-149f : quotient;
  return power_of_two ? next_power_of_two(scale) : scale;
}

// Returns the element, an infinity made finite, times the factor, which is kSmallFactor in a block
// of small elements and 1 elsewhere.
GGFP8_HOST_DEVICE inline float bring_into_range(float x, float factor) {
  const float below = x > kMaxFloat ? kMaxFloat : x;  // comparisons leave a NaN as it is
  const float finite = below < -kMaxFloat ? -kMaxFloat : below;
  return finite * factor;
}

#if defined(__CUDA_ARCH__) || defined(__FMA__)
// x / divisor, rounded once, where reciprocal is 1 / divisor rounded once.
//
// The quotient's error is below 1.5 units in the last place, and where x / divisor is close enough
// to the middle of two floats for the rounding to be in doubt, it is 0.5. The correction's relative
// error is at most 2^-24 of that, and the distance of x / divisor from a middle is no less than
// 1 / (2 * S) units, S < 2^24 being the divisor's significand: the sum is rounded as the exact
// quotient is. The excess is exact because divisors are at least 2^-76; a zero keeps its sign
// because the product with the negative reciprocal has it. Quotients below 2^-18 may be inexact;
// every FP8 type rounds them to zero.
GGFP8_HOST_DEVICE inline float divide(float x, float divisor, float reciprocal) {
  const float quotient = x * reciprocal;
  const float excess = __builtin_fmaf(quotient, divisor, -x);
  return __builtin_fmaf(excess, -reciprocal, quotient);
}
#else
// Without fused instructions the division is the faster way.
inline float divide(float x, float divisor, float) {
  return x / divisor;
}
#endif

}  // namespace
}  // namespace ggfp8::steps
