// Exact values of FP8 codes, and the byte tables with which the vector paths decode.
//
// Every FP8 value is exact in bfloat16, the upper half of a float32. The vector paths therefore
// make the two upper bytes of the float32 by 16-entry byte lookups, 16, 32 or 64 codes at a time.
// Everything here is evaluated by the compiler; the header holds data, not code.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include "core/problem.h"

namespace ggfp8 {

// The value of one code; a NaN is a quiet NaN.
constexpr float fp8_value(Dtype dtype, uint32_t code) {
  const bool is_e4m3 = dtype == Dtype::kFloat8E4M3;
  const int mantissa_bits = is_e4m3 ? 3 : 2;
  const int bias = is_e4m3 ? 7 : 15;
  const uint32_t magnitude = code & 0x7F;
  const int exponent = static_cast<int>(magnitude >> mantissa_bits);
  const int fraction = static_cast<int>(magnitude & ((1u << mantissa_bits) - 1));
  const float sign = (code & 0x80) != 0 ? -1.0f : 1.0f;
  if (is_e4m3 ? magnitude == 0x7F : magnitude > 0x7C) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  if (!is_e4m3 && magnitude == 0x7C) return sign * std::numeric_limits<float>::infinity();
  const int significand = exponent == 0 ? fraction : fraction + (1 << mantissa_bits);
  int power = (exponent == 0 ? 1 : exponent) - bias - mantissa_bits;
  float value = sign * static_cast<float>(significand);
  for (; power > 0; --power) value *= 2.0f;
  for (; power < 0; ++power) value *= 0.5f;
  return value;
}

template <Dtype kDtype>
inline constexpr std::array<float, 256> kFp8Values = [] {
  std::array<float, 256> values{};
  for (uint32_t code = 0; code < 256; ++code) values[code] = fp8_value(kDtype, code);
  return values;
}();

// How to make the upper two bytes of the float32 of a code x, with m = x & 0x7F:
//
//   low byte   (x << (8 - row_shift)) ^ row0_low[m + row0_offset]
//   high byte  sign | row_high[m >> row_shift] | row0_high[m + row0_offset] | special
//
// A row holds the codes that share their upper bits. The formula without the row0 tables is right
// in every row but row 0, where the subnormals are; the row0 tables put that row right, and a byte
// lookup with an index of 0x80 or more gives zero, so they act nowhere else. special is kSpecial
// where m >= first_special (infinity and NaN).
struct Fp8ByteTables {
  int row_shift = 0;
  uint8_t row0_offset = 0;
  uint8_t first_special = 0;
  alignas(16) uint8_t row_high[16] = {};
  alignas(16) uint8_t row0_high[16] = {};
  alignas(16) uint8_t row0_low[16] = {};

  static constexpr uint8_t kSpecial = 0x3C;  // completes the exponent of both types' last row
};

template <Dtype kDtype>
inline constexpr Fp8ByteTables kFp8ByteTables = [] {
  Fp8ByteTables tables;
  const bool is_e4m3 = kDtype == Dtype::kFloat8E4M3;
  tables.row_shift = is_e4m3 ? 4 : 3;
  const uint32_t row_size = 1u << tables.row_shift;
  tables.row0_offset = static_cast<uint8_t>(0x80 - row_size);
  tables.first_special = is_e4m3 ? 0x7F : 0x7C;
  const auto upper_half = [](uint32_t code) {
    return std::bit_cast<uint32_t>(fp8_value(kDtype, code)) >> 16;
  };
  for (uint32_t row = 1; row < 0x80 / row_size; ++row) {
    tables.row_high[row] = static_cast<uint8_t>(upper_half(row * row_size) >> 8);
  }
  for (uint32_t code = 0; code < row_size; ++code) {
    const uint32_t index = (code + tables.row0_offset) & 0x0F;
    tables.row0_high[index] = static_cast<uint8_t>(upper_half(code) >> 8);
    tables.row0_low[index] =
        static_cast<uint8_t>(upper_half(code) ^ (code << (8 - tables.row_shift)));
  }
  return tables;
}();

}  // namespace ggfp8
