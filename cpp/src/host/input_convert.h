// bfloat16, float16 and float32 -> float32, exact, in loops that the compiler vectorises.
//
// NOTE: the unnamed namespace keeps each instruction set's copy apart, as in output_convert.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/problem.h"

namespace ggfp8 {
namespace {

inline float from_bfloat16(uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
}

// Exponent and mantissa moved to their places leave the value 2^-112 too small; the multiplication
// is exact, subnormals included. Infinities and NaNs get the exponent they lack.
inline float from_float16(uint16_t bits) {
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7FFF) << 13;
  const float scaled = __builtin_bit_cast(float, magnitude) * 0x1p112f;
  const uint32_t special = magnitude >= 0x0F800000 ? 0x7F800000 : 0;
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  return __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, scaled) | special | sign);
}

// How elements of an input lie in memory.
template <Dtype kDtype>
struct InputTraits {
  using Type = uint16_t;
  using Magnitude = int16_t;
};
template <>
struct InputTraits<Dtype::kFloat32> {
  using Type = float;
  using Magnitude = int32_t;
};

template <Dtype kDtype>
using Input = typename InputTraits<kDtype>::Type;

template <Dtype kDtype>
inline float to_float(Input<kDtype> element) {
  if constexpr (kDtype == Dtype::kFloat32) {
    return element;
  } else {
    return kDtype == Dtype::kBFloat16 ? from_bfloat16(element) : from_float16(element);
  }
}

// Bits of |element|, as integers that compare as magnitudes do, and NaN above infinity.
template <Dtype kDtype>
using Magnitude = typename InputTraits<kDtype>::Magnitude;

template <Dtype kDtype>
inline Magnitude<kDtype> magnitude_bits(Input<kDtype> element) {
  if constexpr (kDtype == Dtype::kFloat32) {
    return __builtin_bit_cast(int32_t, element) & 0x7FFFFFFF;
  } else {
    return static_cast<int16_t>(element & 0x7FFF);
  }
}

template <Dtype kDtype>
inline float magnitude_value(Magnitude<kDtype> bits) {
  if constexpr (kDtype == Dtype::kFloat32) {
    return __builtin_bit_cast(float, bits);
  } else {
    return to_float<kDtype>(static_cast<uint16_t>(bits));
  }
}

}  // namespace
}  // namespace ggfp8
