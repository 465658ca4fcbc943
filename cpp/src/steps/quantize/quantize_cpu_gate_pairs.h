// silu(gate) * up of bfloat16 and float16 elements, and its rounding to FP8, in vectors of pairs
// (quantize_cpu_pairs.h): the even and the odd elements of a piece are vectors of their own from
// the first load to the last store.
//
//     elements      | 0 to 31           | 32 to 63          | ...      with vectors of 64 bytes
//     values        | even 16 | odd 16  | even 16 | odd 16  | ...
//
// NOTE: everything here is in an unnamed namespace, see quantize_cpu_strip.h.
#pragma once

#include <cstdint>

#include "host/input_convert.h"
#include "host/vector_load.h"
#include "host/vectors.h"
#include "steps/quantize/quantize_cpu_gate.h"
#include "steps/quantize/quantize_cpu_pairs.h"

namespace ggfp8::steps {
namespace {

template <Dtype kIn>
inline Floats even_elements(Dwords x) {
  if constexpr (kIn == Dtype::kBFloat16) return reinterpret_cast<Floats>(x << 16);
  return from_float16_bits((x & 0x7FFF) << 13, (x & 0x8000) << 16);
}

template <Dtype kIn>
inline Floats odd_elements(Dwords x) {
  if constexpr (kIn == Dtype::kBFloat16) return reinterpret_cast<Floats>(x & 0xFFFF0000);
  return from_float16_bits((x >> 3) & 0x0FFFE000, x & 0x80000000);
}

inline Dwords larger_of(Dwords x, Dwords y) {
  return x > y ? x : y;
}

inline Dwords magnitudes_of(Floats x) {
  return reinterpret_cast<Dwords>(x) & 0x7FFFFFFF;
}

// Writes silu(gate) * up of kCount elements, whose gates are moderate; returns the largest
// magnitude, as largest_magnitude() does.
template <Dtype kIn, int64_t kCount>
inline float activate_pairs(const Input<kIn>* gate, const Input<kIn>* up, Floats* values) {
  static_assert(kCount % kElementsOfVector == 0);
  Dwords largest = {};
  for (int64_t i = 0; i < kCount; i += kElementsOfVector) {
    Dwords gates, ups;
    __builtin_memcpy(&gates, gate + i, sizeof(gates));
    __builtin_memcpy(&ups, up + i, sizeof(ups));
    const Floats even = activate_moderate(even_elements<kIn>(gates), even_elements<kIn>(ups));
    const Floats odd = activate_moderate(odd_elements<kIn>(gates), odd_elements<kIn>(ups));
    largest = larger_of(larger_of(magnitudes_of(even), magnitudes_of(odd)), largest);
    *values++ = even;
    *values++ = odd;
  }
  uint32_t lanes[kLanes];
  __builtin_memcpy(lanes, &largest, sizeof(lanes));
  uint32_t all = 0;
  for (int64_t i = 0; i < kLanes; ++i) all = all > lanes[i] ? all : lanes[i];
  return __builtin_bit_cast(float, all);
}

// Rounds |value| / scale with the value's sign, as round_pairs() does.
template <Dtype kOut, int64_t kCount>
inline void round_value_pairs(const Floats* values, float scale, float reciprocal, uint8_t* out) {
  for (int64_t i = 0; i < kCount; i += kElementsOfVector) {
    const Floats even = *values++;
    const Floats odd = *values++;
    const Floats even_quotient =
        divide(reinterpret_cast<Floats>(magnitudes_of(even)), scale, reciprocal);
    const Floats odd_quotient =
        divide(reinterpret_cast<Floats>(magnitudes_of(odd)), scale, reciprocal);
    const Dwords even_sign = (reinterpret_cast<Dwords>(even) >> 24) & 0x80;
    const Dwords odd_sign = (reinterpret_cast<Dwords>(odd) >> 8) & 0x00800000;
    const Dwords codes = (magnitude_codes<kOut>(even_quotient) & 0xFFFF) | even_sign |
                         (magnitude_codes<kOut>(odd_quotient) << 16) | odd_sign;
    const auto bytes = __builtin_convertvector(reinterpret_cast<Words>(codes), HalfBytes);
    __builtin_memcpy(out + i, &bytes, sizeof(bytes));
  }
}

// Brings values into the order of their elements.
template <int64_t kCount>
inline void merge_pairs(const Floats* values, float* merged) {
  for (int64_t i = 0; i < kCount; i += kElementsOfVector) {
    const Floats even = *values++;
    const Floats odd = *values++;
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      merged[i + 2 * lane] = even[lane];
      merged[i + 2 * lane + 1] = odd[lane];
    }
  }
}

}  // namespace
}  // namespace ggfp8::steps
