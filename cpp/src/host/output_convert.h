// float32 -> output element: round to nearest even, no saturation, subnormals kept, one NaN.
//
// The loops have no branches, so that the compiler vectorises them for the including file's
// instruction set.
// NOTE: the unnamed namespace keeps each instruction set's copy apart; shared inline functions
// would be merged by the linker into one copy of any of them.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/problem.h"

namespace ggfp8 {
namespace {

inline uint32_t float_bits(float value) {
  return __builtin_bit_cast(uint32_t, value);
}

// Sign clear, all other bits set: the NaN that CUDA arithmetic and conversions produce.
inline uint32_t to_float32(float value) {
  const uint32_t bits = float_bits(value);
  return (bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7FFFFFFF : bits;
}

inline uint16_t to_bfloat16(float value) {
  const uint32_t bits = float_bits(value);
  const uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  return static_cast<uint16_t>((bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7FFF : rounded);
}

inline uint16_t to_float16(float value) {
  const uint32_t bits = float_bits(value);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  // Normal results: rebias the exponent by 112 and round away 13 bits.
  const uint32_t normal = (magnitude - (112u << 23) + 0xFFF + ((magnitude >> 13) & 1)) >> 13;
  // Subnormal results: at 0.5 a float32 step is 2^-24, the subnormal step, so the sum rounds.
  const float half = 0.5f;
  const uint32_t subnormal =
      float_bits(__builtin_bit_cast(float, magnitude) + half) - float_bits(half);
  uint32_t result = magnitude < 0x38800000 ? subnormal : normal;  // 2^-14
  result = magnitude >= 0x477FF000 ? 0x7C00 : result;             // 65520 and up
  result |= (bits >> 16) & 0x8000;
  return static_cast<uint16_t>(magnitude > 0x7F800000 ? 0x7FFF : result);
}

// Writes count elements of the output type from position `begin` of a row.
inline void store_row(Dtype dtype, const float* values, int64_t count, void* row, int64_t begin) {
  if (dtype == Dtype::kBFloat16) {
    uint16_t* out = static_cast<uint16_t*>(row) + begin;
    for (int64_t i = 0; i < count; ++i) out[i] = to_bfloat16(values[i]);
  } else if (dtype == Dtype::kFloat16) {
    uint16_t* out = static_cast<uint16_t*>(row) + begin;
    for (int64_t i = 0; i < count; ++i) out[i] = to_float16(values[i]);
  } else {
    // Bytes are copied because the caller's elements are float, these are their bit patterns.
    char* out = static_cast<char*>(row) + begin * int64_t{sizeof(float)};
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t bits = to_float32(values[i]);
      std::memcpy(out + i * int64_t{sizeof(bits)}, &bits, sizeof(bits));
    }
  }
}

}  // namespace
}  // namespace ggfp8
