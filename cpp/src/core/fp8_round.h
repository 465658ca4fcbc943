// float32 -> FP8 in integers: round to nearest even, saturate to finite, one NaN (0x7F).
//
// What cvt.rn.satfinite does on GPUs that have it; others and the CPU run this. There are no
// branches, so that loops over it are vectorised.
// NOTE: the unnamed namespace keeps each instruction set's copy apart, as in host/output_convert.h.
#pragma once

#include <cstdint>

#include "core/math.h"
#include "core/problem.h"

namespace ggfp8 {
namespace {

// The largest finite value.
template <Dtype kDtype>
constexpr float kFp8Max = kDtype == Dtype::kFloat8E4M3 ? 448.0f : 57344.0f;

template <Dtype kDtype>
GGFP8_HOST_DEVICE inline uint32_t round_to_fp8(float value) {
  constexpr bool kIsE4M3 = kDtype == Dtype::kFloat8E4M3;
  constexpr uint32_t kBias = kIsE4M3 ? 7 : 15;
  constexpr uint32_t kShift = kIsE4M3 ? 20 : 21;  // mantissa bits that are rounded away
  constexpr uint32_t kMinNormal = (128 - kBias) << 23;
  constexpr uint32_t kMaxFinite = kIsE4M3 ? 0x43E00000 : 0x47600000;  // bits of kFp8Max
  // A step of float32 at this value is the step of FP8 subnormals, so that a sum with it rounds.
  constexpr float kAnchor = kIsE4M3 ? 0x1p14f : 0x1p7f;
  constexpr uint32_t kAnchorBits = kIsE4M3 ? 0x46800000 : 0x43000000;

  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t given = bits & 0x7FFFFFFF;
  const uint32_t magnitude = given < kMaxFinite ? given : kMaxFinite;
  const uint32_t half = (1u << (kShift - 1)) - 1 + ((magnitude >> kShift) & 1);
  const uint32_t normal = (magnitude + half - ((127 - kBias) << 23)) >> kShift;
  const float sum = __builtin_bit_cast(float, magnitude) + kAnchor;
  const uint32_t subnormal = __builtin_bit_cast(uint32_t, sum) - kAnchorBits;
  const uint32_t code = (magnitude < kMinNormal ? subnormal : normal) | ((bits >> 24) & 0x80);
  return given > 0x7F800000 ? 0x7F : code;
}

}  // namespace
}  // namespace ggfp8
