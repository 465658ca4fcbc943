// float32 -> bfloat16, float16, float32, against a reference that searches for the nearest value.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "check.h"
#include "host/output_convert.h"

namespace {

using ggfp8::Dtype;

struct Format {
  Dtype dtype;
  int mantissa_bits;
  int bias;
  int infinity;  // its code; the codes below it ascend in value
};

constexpr Format kBFloat16 = {Dtype::kBFloat16, 7, 127, 0x7F80};
constexpr Format kFloat16 = {Dtype::kFloat16, 10, 15, 0x7C00};

// The value of a non-negative code. "Infinity" counts as the next power of two, as rounding does.
double code_value(const Format& format, int code) {
  const int exponent = code >> format.mantissa_bits;
  const int fraction = code & ((1 << format.mantissa_bits) - 1);
  const int scale = -format.bias - format.mantissa_bits;
  if (exponent == 0) return std::ldexp(fraction, 1 + scale);
  return std::ldexp(fraction + (1 << format.mantissa_bits), exponent + scale);
}

// Nearest code, ties to the even code.
int nearest_code(const Format& format, float value) {
  if (std::isnan(value)) return 0x7FFF;
  const int sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(static_cast<double>(value));
  int low = 0;  // the largest finite or infinite code whose value is at most magnitude
  int high = format.infinity;
  if (magnitude >= code_value(format, high)) return sign | high;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (code_value(format, middle) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - code_value(format, low);
  const double above = code_value(format, high) - magnitude;
  const bool up = above < below || (above == below && low % 2 != 0);
  return sign | (up ? high : low);
}

int converted(Dtype dtype, float value) {
  uint16_t codes[2] = {0, 0};
  ggfp8::store_row(dtype, &value, 1, codes, 0);
  return codes[0];
}

// Each code's value, its upper neighbours' midpoint, and the floats on both sides of these.
void check_neighbourhoods(const Format& format) {
  for (int code = 0; code < format.infinity; ++code) {
    const double value = code_value(format, code);
    const double middle = (value + code_value(format, code + 1)) / 2;
    for (double centre : {value, middle}) {
      const float x = static_cast<float>(centre);
      for (float y : {x, std::nextafter(x, INFINITY), std::nextafter(x, -INFINITY)}) {
        if (!CHECK_EQ(converted(format.dtype, y), nearest_code(format, y))) return;
        if (!CHECK_EQ(converted(format.dtype, -y), nearest_code(format, -y))) return;
      }
    }
  }
}

void check_random(const Format& format) {
  std::mt19937 random(7);
  for (int i = 0; i < 1000000; ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (!CHECK_EQ(converted(format.dtype, value), nearest_code(format, value))) return;
  }
}

// Rows of all small lengths, so that vector loops and their tails both run.
void check_rows(const Format& format) {
  std::mt19937 random(8);
  for (size_t count = 0; count < 100; ++count) {
    std::vector<float> values(count);
    for (float& value : values) value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    std::vector<uint16_t> row(count + 5, 0x1234);
    ggfp8::store_row(format.dtype, values.data(), static_cast<int64_t>(count), row.data(), 2);
    for (size_t i = 0; i < row.size(); ++i) {
      const bool inside = i >= 2 && i < count + 2;
      CHECK_EQ(int{row[i]}, inside ? nearest_code(format, values[i - 2]) : 0x1234);
    }
  }
}

void check_float32() {
  std::mt19937 random(9);
  for (int i = 0; i < 100000; ++i) {
    const uint32_t bits = static_cast<uint32_t>(random());
    const float value = std::bit_cast<float>(bits);
    uint32_t stored = 0;
    ggfp8::store_row(Dtype::kFloat32, &value, 1, &stored, 0);
    CHECK_EQ(stored, std::isnan(value) ? 0x7FFFFFFF : bits);
  }
}

}  // namespace

int main() {
  for (const Format& format : {kBFloat16, kFloat16}) {
    check_neighbourhoods(format);
    check_random(format);
    check_rows(format);
    for (float value : {0.0f, -0.0f, INFINITY, -INFINITY, NAN, -NAN, 65504.0f, 65519.0f, 65520.0f,
                        3.4028235e38f, 1e-45f, 2.9802322e-8f, 2.9802326e-8f}) {
      CHECK_EQ(converted(format.dtype, value), nearest_code(format, value));
    }
  }
  check_float32();
  return check::report();
}
