// silu(gate) * up of a row on the CPU, in loops that the compiler vectorises.
//
// NOTE: everything here is in an unnamed namespace, see quantize_cpu_strip.h.
#pragma once

#include <cstdint>

#include "host/input_convert.h"
#include "host/vectors.h"
#include "steps/quantize/quantize_cpu_amax.h"
#include "steps/quantize/quantize_problem.h"

namespace ggfp8::steps {
namespace {

// Comparisons that leave a NaN as it is. One after the other, they become two instructions; one
// inside the other, they make the compiler compute what follows three times.
inline float at_most(float x, float limit) {
  return x > limit ? limit : x;
}
inline float at_least(float x, float limit) {
  return x < limit ? limit : x;
}

constexpr float kLog2E = 0x1.715476p+0f;
constexpr float kInteger = 0x1.8p23f;  // a float32 of this size has no fraction

// The bits of a float, or of each float of a vector.
inline uint32_t bits_of(float x) {
  return __builtin_bit_cast(uint32_t, x);
}
inline Dwords bits_of(Floats x) {
  return reinterpret_cast<Dwords>(x);
}
inline float value_of(uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}
inline Floats value_of(Dwords bits) {
  return reinterpret_cast<Floats>(bits);
}

// 2^part for part in [-0.5, 0.5], by the Taylor series of exp(part * ln 2). Real is float, or a
// vector of floats.
template <class Real>
inline Real fraction_power(Real part) {
  Real sum = part * 1.5403530e-4f + 1.3333558e-3f;
  sum = sum * part + 9.6181291e-3f;
  sum = sum * part + 5.5504109e-2f;
  sum = sum * part + 2.4022651e-1f;
  sum = sum * part + 6.9314718e-1f;
  return sum * part + 1.0f;
}

// exp, to about 2^-18; infinity above 88.7, subnormal below -87.3; some number for NaN.
inline float exponential(float x) {
  constexpr uint32_t kLimit = 0x43200000;  // 160: the result beyond it is 0 or infinity
  const float wanted_power = x * kLog2E;
  const uint32_t bits = __builtin_bit_cast(uint32_t, wanted_power);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  const uint32_t limited = (magnitude < kLimit ? magnitude : kLimit) | (bits & 0x80000000);
  const float power = __builtin_bit_cast(float, limited);
  const float shifted = power + kInteger;
  const float sum = fraction_power(power - (shifted - kInteger));
  // 2^whole in two factors, because the exponent of one would leave the range of float32.
  const int32_t exponent =
      __builtin_bit_cast(int32_t, shifted) - __builtin_bit_cast(int32_t, kInteger);
  const int32_t half = exponent >> 1;
  const float first = __builtin_bit_cast(float, (half + 127) << 23);
  const float second = __builtin_bit_cast(float, (exponent - half + 127) << 23);
  return sum * first * second;
}

// exponential(x) for |x| up to kModerateGate, where the result is normal: the integer is added to
// the exponent. The lowest 9 bits of kInteger are 0, so `shifted` has the integer there.
constexpr float kModerateGate = 80.0f;
template <class Real>
inline Real moderate_exponential(Real x) {
  const Real power = x * kLog2E;
  const Real shifted = power + kInteger;
  const Real sum = fraction_power(power - (shifted - kInteger));
  return value_of(bits_of(sum) + (bits_of(shifted) << 23));
}

// silu(gate) * up for |gate| up to kModerateGate.
template <class Real>
inline Real activate_moderate(Real gate, Real up) {
  return gate / (moderate_exponential(-gate) + 1.0f) * up;
}

// Variants of the gate. kModerate has no limit, 1 as alpha, and no gate beyond kModerateGate: the
// choices of the others would change nothing.
enum class GateForm { kModerate, kSilu, kAddsOne };

template <GateForm kForm>
inline float activate(float gate, float up, float limit, float alpha) {
  if constexpr (kForm == GateForm::kModerate) {
    return activate_moderate(gate, up);
  } else {
    gate = at_most(gate, limit);
    up = at_least(at_most(up, limit), -limit);
    const float activated = gate / (1.0f + exponential(-alpha * gate));
    return activated * (kForm == GateForm::kAddsOne ? up + 1.0f : up);
  }
}

// Writes silu(gate) * up of one row of a block.
template <Dtype kIn, GateForm kForm>
inline void activate_row(const QuantizeProblem& problem, const char* row, int64_t begin,
                         int64_t count, float* values) {
  const auto* gate = reinterpret_cast<const Input<kIn>*>(row) + begin;
  const auto* up = gate + problem.k;
  const float limit = problem.gate.limit;
  const float alpha = problem.gate.alpha;
  for (int64_t i = 0; i < count; ++i) {
    values[i] = activate<kForm>(to_float<kIn>(gate[i]), to_float<kIn>(up[i]), limit, alpha);
  }
}

// Returns whether kModerate is the form for these gates.
template <Dtype kIn>
inline bool has_moderate_gates(const Gate& rule, const Input<kIn>* gate, int64_t count) {
  return !rule.adds_one && !rule.has_limit && rule.alpha == 1.0f &&
         largest_magnitude<kIn>(gate, count) <= kModerateGate;
}

template <Dtype kIn>
inline void activate_columns(const QuantizeProblem& problem, const char* row, int64_t begin,
                             int64_t count, float* values) {
  const auto* gate = reinterpret_cast<const Input<kIn>*>(row) + begin;
  if (problem.gate.adds_one) {
    activate_row<kIn, GateForm::kAddsOne>(problem, row, begin, count, values);
  } else if (has_moderate_gates<kIn>(problem.gate, gate, count)) {
    activate_row<kIn, GateForm::kModerate>(problem, row, begin, count, values);
  } else {
    activate_row<kIn, GateForm::kSilu>(problem, row, begin, count, values);
  }
}

}  // namespace
}  // namespace ggfp8::steps
