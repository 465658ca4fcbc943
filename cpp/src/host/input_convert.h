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

// Reads `count` elements from position `begin` of a row.
template <Dtype kDtype>
inline void load_floats(const void* row, int64_t begin, int64_t count, float* values) {
  if constexpr (kDtype == Dtype::kFloat32) {
    std::memcpy(values, static_cast<const float*>(row) + begin,
                static_cast<size_t>(count) * sizeof(float));
  } else {
    const uint16_t* bits = static_cast<const uint16_t*>(row) + begin;
    for (int64_t i = 0; i < count; ++i) {
      values[i] = kDtype == Dtype::kBFloat16 ? from_bfloat16(bits[i]) : from_float16(bits[i]);
    }
  }
}

}  // namespace
}  // namespace ggfp8
