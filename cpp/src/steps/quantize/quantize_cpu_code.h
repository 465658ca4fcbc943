// The FP8 code of a magnitude on the CPU, in as few instructions as a vectorised loop can have.
//
// NOTE: everything here is in an unnamed namespace, see quantize_cpu_strip.h.
#pragma once

#include <cstdint>

#include "core/problem.h"

namespace ggfp8::steps {
namespace {

// The code is the number of steps in the sum's mantissa plus the exponent's place among the codes.
// kBias makes up for the exponent of the smallest normal value: together they are a multiple of
// 256, which the low 8 bits do not show. kBias is even, so ties still go to the even code.
template <Dtype kOut>
struct MagnitudeCode {
  static constexpr bool kIsE4M3 = kOut == Dtype::kFloat8E4M3;
  static constexpr uint32_t kShift = kIsE4M3 ? 20 : 21;  // mantissa bits that are rounded away
  static constexpr uint32_t kMinNormal = (kIsE4M3 ? 121u : 113u) << 23;  // 2^-6, 2^-14
  static constexpr uint32_t kBias = -(kMinNormal >> kShift) & 0xFF;
  static constexpr uint32_t kAnchor = (kShift << 23) + kBias;  // added to the exponent
  static_assert(kBias % 2 == 0);
};

// The low 8 bits are the FP8 code of a value that is not negative and rounds to a finite one, as by
// round_finite_to_fp8.
template <Dtype kOut>
inline uint32_t magnitude_code(float value) {
  using Code = MagnitudeCode<kOut>;
  const uint32_t power = __builtin_bit_cast(uint32_t, value) & 0x7F800000;
  const uint32_t exponent = power > Code::kMinNormal ? power : Code::kMinNormal;
  const float sum = value + __builtin_bit_cast(float, exponent + Code::kAnchor);
  return __builtin_bit_cast(uint32_t, sum) + (exponent >> Code::kShift);
}

}  // namespace
}  // namespace ggfp8::steps
