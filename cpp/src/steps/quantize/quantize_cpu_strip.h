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

// Comparisons that leave a NaN as it is. One after the other, they become two instructions; one
// inside the other, they make the compiler compute what follows three times.
inline float at_most(float x, float limit) {
  return x > limit ? limit : x;
}
inline float at_least(float x, float limit) {
  return x < limit ? limit : x;
}

// exp, to about 2^-18; infinity above 88.7, subnormal below -87.3; some number for NaN.
inline float exponential(float x) {
  constexpr float kLog2E = 0x1.715476p+0f;
  constexpr uint32_t kLimit = 0x43200000;  // 160: the result beyond it is 0 or infinity
  constexpr float kInteger = 0x1.8p23f;    // a float32 of this size has no fraction
  const float wanted_power = x * kLog2E;
  const uint32_t bits = __builtin_bit_cast(uint32_t, wanted_power);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  const uint32_t limited = (magnitude < kLimit ? magnitude : kLimit) | (bits & 0x80000000);
  const float power = __builtin_bit_cast(float, limited);
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

template <bool kAddsOne>
inline float activate(float gate, float up, float limit, float alpha) {
  gate = at_most(gate, limit);
  up = at_least(at_most(up, limit), -limit);
  const float activated = gate / (1.0f + exponential(-alpha * gate));
  return activated * (kAddsOne ? up + 1.0f : up);
}

// Writes silu(gate) * up of one row of a block.
template <Dtype kIn, bool kAddsOne>
inline void activate_row(const QuantizeProblem& problem, const char* row, int64_t begin,
                         int64_t count, float* values) {
  const auto* gate = reinterpret_cast<const Input<kIn>*>(row) + begin;
  const auto* up = gate + problem.k;
  const float limit = problem.gate.limit;
  const float alpha = problem.gate.alpha;
  for (int64_t i = 0; i < count; ++i) {
    values[i] = activate<kAddsOne>(to_float<kIn>(gate[i]), to_float<kIn>(up[i]), limit, alpha);
  }
}

// Returns the largest magnitude. Bits compare as magnitudes do.
template <Dtype kIn>
inline float largest_magnitude(const Input<kIn>* x, int64_t count) {
  using Bits = Magnitude<kIn>;
  Bits largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Bits magnitude = magnitude_bits<kIn>(x[i]);
    largest = largest > magnitude ? largest : magnitude;
  }
  return magnitude_value<kIn>(largest);
}

// Returns the largest magnitude with NaNs ignored and infinities made finite.
template <Dtype kIn>
inline float largest_finite_magnitude(const Input<kIn>* x, int64_t count) {
  float largest = 0.0f;
  for (int64_t i = 0; i < count; ++i) {
    const float value = to_float<kIn>(x[i]);
    const float magnitude = value < 0.0f ? -value : value;
    const float finite = magnitude > kMaxFloat ? kMaxFloat : magnitude;
    largest = largest < finite ? finite : largest;  // false for NaN
  }
  return largest;
}

template <Dtype kIn>
inline float find_amax(const Input<kIn>* x, int64_t count) {
  const float amax = largest_magnitude<kIn>(x, count);
  return amax <= kMaxFloat ? amax : largest_finite_magnitude<kIn>(x, count);
}

// Rounds x / scale where amax, which is at least kSmallAmax, is that of all elements.
//
// Codes are computed as words and stored as bytes in a second loop: in one loop the compiler
// computes parts of a code as bytes, and packs each part.
template <Dtype kIn, Dtype kOut>
inline void round_in_range(const Input<kIn>* x, int64_t count, float scale, uint8_t* out) {
  const float reciprocal = 1.0f / scale;
  uint32_t codes[kMaxBlockK];
  for (int64_t i = 0; i < count; ++i) {
    codes[i] = round_finite_to_fp8<kOut>(divide(to_float<kIn>(x[i]), scale, reciprocal));
  }
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(codes[i]);
}

// Rounds x / scale in blocks with NaNs, infinities or small elements.
template <Dtype kIn, Dtype kOut>
inline void round_any(const Input<kIn>* x, int64_t count, float scale, float amax, uint8_t* out) {
  const float factor = amax < kSmallAmax ? kSmallFactor : 1.0f;
  const float divisor = scale * factor;
  const float reciprocal = 1.0f / divisor;
  for (int64_t i = 0; i < count; ++i) {
    const float value = bring_into_range(to_float<kIn>(x[i]), factor);
    out[i] = static_cast<uint8_t>(round_to_fp8<kOut>(divide(value, divisor, reciprocal)));
  }
}

template <Dtype kIn, Dtype kOut>
inline void quantize_row_block(const Input<kIn>* x, int64_t count, bool power_of_two, float* scale,
                               uint8_t* out) {
  const float largest = largest_magnitude<kIn>(x, count);
  const bool in_range = largest >= kSmallAmax && largest <= kMaxFloat;
  const float amax = in_range ? largest : find_amax<kIn>(x, count);
  *scale = block_scale(amax, kFp8Max<kOut>, power_of_two);
  if (in_range) {
    round_in_range<kIn, kOut>(x, count, *scale, out);
  } else {
    round_any<kIn, kOut>(x, count, *scale, amax, out);
  }
}

template <Dtype kIn, Dtype kOut>
inline void quantize_tall_block(const QuantizeProblem& problem, const CpuStrip& strip,
                                int64_t begin, int64_t count, float* scale) {
  const auto row_of = [&](int64_t row) {
    return reinterpret_cast<const Input<kIn>*>(strip.x + row * strip.x_row_bytes) + begin;
  };
  float largest = 0.0f;
  bool in_range = true;
  for (int64_t row = 0; row < strip.num_rows; ++row) {
    const float amax = find_amax<kIn>(row_of(row), count);
    in_range = in_range && largest_magnitude<kIn>(row_of(row), count) <= kMaxFloat;
    largest = largest < amax ? amax : largest;
  }
  *scale = block_scale(largest, kFp8Max<kOut>, problem.power_of_two);
  for (int64_t row = 0; row < strip.num_rows; ++row) {
    uint8_t* out = strip.out + row * strip.out_row_stride + begin;
    if (in_range && largest >= kSmallAmax) {
      round_in_range<kIn, kOut>(row_of(row), count, *scale, out);
    } else {
      round_any<kIn, kOut>(row_of(row), count, *scale, largest, out);
    }
  }
}

// One block of one row; a whole one has a constant length, which the compiler can unroll.
template <Dtype kIn, Dtype kOut>
inline void quantize_block(const QuantizeProblem& problem, const CpuStrip& strip, int64_t begin,
                           int64_t count, float* scale) {
  uint8_t* out = strip.out + begin;
  if (problem.block_rows > 1) {
    quantize_tall_block<kIn, kOut>(problem, strip, begin, count, scale);
    return;
  }
  if (!problem.gate.enabled) {
    const auto* x = reinterpret_cast<const Input<kIn>*>(strip.x) + begin;
    quantize_row_block<kIn, kOut>(x, count, problem.power_of_two, scale, out);
    return;
  }
  float values[kMaxBlockK];
  if (problem.gate.adds_one) {
    activate_row<kIn, true>(problem, strip.x, begin, count, values);
  } else {
    activate_row<kIn, false>(problem, strip.x, begin, count, values);
  }
  quantize_row_block<Dtype::kFloat32, kOut>(values, count, problem.power_of_two, scale, out);
}

template <Dtype kIn, Dtype kOut>
void quantize_strip(const QuantizeProblem& problem, const CpuStrip& strip) {
  float* scale = strip.scale;
  for (int64_t begin = 0; begin < problem.k; begin += problem.block_k) {
    const int64_t left = problem.k - begin;
    const int64_t count = left < problem.block_k ? left : problem.block_k;
    if (count == kMaxBlockK) {
      quantize_block<kIn, kOut>(problem, strip, begin, kMaxBlockK, scale);
    } else {
      quantize_block<kIn, kOut>(problem, strip, begin, count, scale);
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
