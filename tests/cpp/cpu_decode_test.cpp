// Every code of both FP8 types on every instruction-set path, against the definition of the types.
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "backends/cpu/cpu_isa.h"
#include "check.h"
#include "host/fp8_values.h"

namespace {

using ggfp8::Dtype;

// The value from sign, exponent and mantissa fields; the NaN and infinity codes by list.
float defined_value(Dtype dtype, int code) {
  const bool is_e4m3 = dtype == Dtype::kFloat8E4M3;
  const double sign = code >= 128 ? -1.0 : 1.0;
  const int rest = code % 128;
  if (is_e4m3 && rest == 127) return std::nanf("");
  if (!is_e4m3 && rest >= 125) return std::nanf("");
  if (!is_e4m3 && rest == 124) return static_cast<float>(sign * HUGE_VAL);
  const int steps = is_e4m3 ? 8 : 4;  // mantissa steps per power of two
  const int bias = is_e4m3 ? 7 : 15;
  const int exponent = rest / steps;
  const double mantissa = static_cast<double>(rest % steps) / steps;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, 1 - bias) : std::ldexp(1.0 + mantissa, exponent - bias);
  return static_cast<float>(sign * magnitude);
}

bool same_value(float x, float y) {
  return (std::isnan(x) && std::isnan(y)) || std::memcmp(&x, &y, sizeof(x)) == 0;
}

// Codes at every position of a row, and rows of every legal length.
void check_path(const ggfp8::CpuIsa& isa, Dtype dtype) {
  for (int64_t count = 16; count <= ggfp8::kMaxGranularityK; count += 16) {
    for (int first = 0; first < 256; ++first) {
      std::array<uint8_t, ggfp8::kMaxGranularityK> codes{};
      for (int64_t i = 0; i < count; ++i) {
        codes[static_cast<size_t>(i)] = static_cast<uint8_t>(first + i * 7);
      }
      alignas(64) std::array<float, ggfp8::kMaxGranularityK> values{};
      isa.decode(dtype, codes.data(), count, values.data());
      for (int64_t i = 0; i < count; ++i) {
        const auto at = static_cast<size_t>(i);
        if (!CHECK(same_value(values[at], defined_value(dtype, codes[at])))) return;
      }
    }
  }
}

}  // namespace

int main() {
  for (Dtype dtype : {Dtype::kFloat8E4M3, Dtype::kFloat8E5M2}) {
    for (uint32_t code = 0; code < 256; ++code) {
      CHECK(
          same_value(ggfp8::fp8_value(dtype, code), defined_value(dtype, static_cast<int>(code))));
    }
    for (const ggfp8::CpuIsa* isa : ggfp8::available_isas()) check_path(*isa, dtype);
  }
  return check::report();
}
