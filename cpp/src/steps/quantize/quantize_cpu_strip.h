// Quantises one strip of rows on the CPU, written once for all instruction sets. Included by each
// quantize_cpu_<isa>.cpp, whose flags let the compiler vectorise the loops.
//
// NOTE: everything here is in an unnamed namespace and calls no inline function with external
// linkage, so that the linker cannot merge code of one instruction set into that of another.
#pragma once

#include <cstdint>

#include "core/fp8_round.h"
#include "host/input_convert.h"
#include "steps/quantize/block_scale.h"
#include "steps/quantize/quantize_cpu.h"

namespace ggfp8::steps {
namespace {

constexpr int64_t kMaxBlockK = 128;

// exp, to about 2^-20; infinity above 88.7, subnormal below -87.3.
inline float exponential(float x) {
  constexpr float kLog2E = 0x1.715476p+0f;
  constexpr float kLimit = 160.0f;       // beyond it the result is 0 or infinity in any case
  constexpr float kInteger = 0x1.8p23f;  // a float32 of this size has no fraction
  float power = x * kLog2E;
  power = power > kLimit ? kLimit : (power < -kLimit ? -kLimit : power);
  const float shifted = power + kInteger;
  const float whole = shifted - kInteger;
  const float part = power - whole;
  // 2^part for part in [-0.5, 0.5]: the Taylor series of exp(part * ln 2).
  float sum = 1.5403530e-4f;
  sum = sum * part + 1.3333558e-3f;
  sum = sum * part + 9.6181291e-3f;
  sum = sum * part + 5.5504109e-2f;
  sum = sum * part + 2.4022651e-1f;
  sum = sum * part + 6.9314718e-1f;
  sum = sum * part + 1.0f;
  // 2^whole in two factors, because the exponent of one would leave the range of float32.
  const int32_t exponent =
      __builtin_bit_cast(int32_t, shifted) - __builtin_bit_cast(int32_t, kInteger);
  const int32_t half = exponent >> 1;
  const float first = __builtin_bit_cast(float, (half + 127) << 23);
  const float second = __builtin_bit_cast(float, (exponent - half + 127) << 23);
  return sum * first * second;
}

inline float activate(float gate, float up, const Gate& rule) {
  const float limit = rule.limit;
  gate = gate > limit ? limit : gate;
  up = up > limit ? limit : (up < -limit ? -limit : up);
  up = rule.adds_one ? up + 1.0f : up;
  return gate / (1.0f + exponential(-rule.alpha * gate)) * up;
}

// The elements of a row of a block, as float32.
template <Dtype kIn>
inline void load_elements(const QuantizeProblem& problem, const char* row, int64_t begin,
                          int64_t count, float* values) {
  load_floats<kIn>(row, begin, count, values);
  if (!problem.gate.enabled) return;
  float up[kMaxBlockK];
  load_floats<kIn>(row, problem.k + begin, count, up);
  const Gate rule = problem.gate;
  for (int64_t i = 0; i < count; ++i) values[i] = activate(values[i], up[i], rule);
}

// The largest magnitude, with NaNs ignored and infinities made finite. Magnitudes are compared as
// integers: a float32 maximum would keep the loop from being vectorised.
inline float largest_magnitude(const float* values, int64_t count) {
  int32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t magnitude = __builtin_bit_cast(int32_t, values[i]) & 0x7FFFFFFF;
    const int32_t finite = magnitude > 0x7F800000 ? 0 : magnitude;
    largest = largest > finite ? largest : finite;
  }
  constexpr int32_t kMaxBits = __builtin_bit_cast(int32_t, kMaxFloat);
  return __builtin_bit_cast(float, largest > kMaxBits ? kMaxBits : largest);
}

template <Dtype kOut>
inline void round_elements(float* values, int64_t count, float scale, float amax, uint8_t* out) {
  float divisor = scale;
  if (amax < kSmallAmax || amax == kMaxFloat) {
    const float factor = amax < kSmallAmax ? kSmallFactor : 1.0f;
    for (int64_t i = 0; i < count; ++i) values[i] = bring_into_range(values[i], factor);
    divisor = scale * factor;
  }
  const float reciprocal = 1.0f / divisor;
  for (int64_t i = 0; i < count; ++i) {
    const float quotient = divide(values[i], divisor, reciprocal);
    out[i] = static_cast<uint8_t>(round_to_fp8<kOut>(quotient));
  }
}

// One block of one row; a whole one has a constant length, which the compiler can unroll.
template <Dtype kIn, Dtype kOut>
inline void quantize_row_block(const QuantizeProblem& problem, const CpuStrip& strip, int64_t begin,
                               int64_t count, float* scale) {
  float values[kMaxBlockK];
  load_elements<kIn>(problem, strip.x, begin, count, values);
  const float amax = largest_magnitude(values, count);
  *scale = block_scale(amax, kFp8Max<kOut>, problem.power_of_two);
  round_elements<kOut>(values, count, *scale, amax, strip.out + begin);
}

template <Dtype kIn, Dtype kOut>
inline void quantize_tall_block(const QuantizeProblem& problem, const CpuStrip& strip,
                                int64_t begin, int64_t count, float* scale) {
  float values[kMaxBlockK];
  float amax = 0.0f;
  for (int64_t row = 0; row < strip.num_rows; ++row) {
    load_elements<kIn>(problem, strip.x + row * strip.x_row_bytes, begin, count, values);
    const float row_amax = largest_magnitude(values, count);
    amax = amax > row_amax ? amax : row_amax;
  }
  *scale = block_scale(amax, kFp8Max<kOut>, problem.power_of_two);
  for (int64_t row = 0; row < strip.num_rows; ++row) {
    load_elements<kIn>(problem, strip.x + row * strip.x_row_bytes, begin, count, values);
    round_elements<kOut>(values, count, *scale, amax,
                         strip.out + row * strip.out_row_stride + begin);
  }
}

template <Dtype kIn, Dtype kOut>
void quantize_strip(const QuantizeProblem& problem, const CpuStrip& strip) {
  float* scale = strip.scale;
  for (int64_t begin = 0; begin < problem.k; begin += problem.block_k) {
    const int64_t left = problem.k - begin;
    const int64_t count = left < problem.block_k ? left : problem.block_k;
    if (problem.block_rows > 1) {
      quantize_tall_block<kIn, kOut>(problem, strip, begin, count, scale);
    } else if (count == kMaxBlockK) {
      quantize_row_block<kIn, kOut>(problem, strip, begin, kMaxBlockK, scale);
    } else {
      quantize_row_block<kIn, kOut>(problem, strip, begin, count, scale);
    }
    scale += problem.scale_k_stride;
  }
}

template <Dtype kOut>
constexpr QuantizeStrip strip_function(Dtype x_dtype) {
  if (x_dtype == Dtype::kBFloat16) return quantize_strip<Dtype::kBFloat16, kOut>;
  if (x_dtype == Dtype::kFloat16) return quantize_strip<Dtype::kFloat16, kOut>;
  return quantize_strip<Dtype::kFloat32, kOut>;
}

QuantizeStrip find_strip_function(Dtype x_dtype, Dtype out_dtype) {
  return out_dtype == Dtype::kFloat8E4M3 ? strip_function<Dtype::kFloat8E4M3>(x_dtype)
                                         : strip_function<Dtype::kFloat8E5M2>(x_dtype);
}

}  // namespace
}  // namespace ggfp8::steps
