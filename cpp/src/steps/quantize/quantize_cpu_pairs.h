// Rounds bfloat16 and float16 elements to FP8 in vectors of pairs. The elements of a pair are
// neighbours in memory, and lie in one dword; each is computed as float32 in a vector of its own,
// so that nothing moves from lane to lane:
//
//     dword i of x     | element 2i + 1 | element 2i     |
//     odd,  dword i    | magnitude of element 2i + 1     |
//     even, dword i    | magnitude of element 2i         |
//     codes, dword i   | code of 2i + 1 | code of 2i     |   low bytes of the words
//
// NOTE: everything here is in an unnamed namespace, see quantize_cpu_strip.h.
#pragma once

#include <cstdint>

#include "host/input_convert.h"
#include "host/vectors.h"
#include "steps/quantize/block_scale.h"
#include "steps/quantize/quantize_cpu_code.h"

namespace ggfp8::steps {
namespace {

constexpr int64_t kElementsOfVector = kVectorBytes / 2;

template <Dtype kIn>
inline Floats even_magnitudes(Dwords x) {
  if constexpr (kIn == Dtype::kBFloat16) return reinterpret_cast<Floats>((x & 0x7FFF) << 16);
  return reinterpret_cast<Floats>((x & 0x7FFF) << 13) * 0x1p112f;  // as from_float16()
}

template <Dtype kIn>
inline Floats odd_magnitudes(Dwords x) {
  if constexpr (kIn == Dtype::kBFloat16) return reinterpret_cast<Floats>(x & 0x7FFF0000);
  return reinterpret_cast<Floats>((x >> 3) & 0x0FFFE000) * 0x1p112f;
}

// divide() of each value.
inline Floats divide(Floats x, float divisor, float reciprocal) {
#if defined(__FMA__)
  const Floats quotient = x * reciprocal;
  const Floats excess = fused_multiply_add(quotient, divisor, -x);
  return fused_multiply_add(excess, -reciprocal, quotient);
#else
  (void)reciprocal;
  return x / divisor;
#endif
}

// magnitude_code() of each value.
template <Dtype kOut>
inline Dwords magnitude_codes(Floats values) {
  using Code = MagnitudeCode<kOut>;
  const Dwords power = reinterpret_cast<Dwords>(values) & 0x7F800000;
  const Dwords exponent = power > Code::kMinNormal ? power : Dwords{} + Code::kMinNormal;
  const Floats sum = values + reinterpret_cast<Floats>(exponent + Code::kAnchor);
  return reinterpret_cast<Dwords>(sum) + (exponent >> Code::kShift);
}

// Rounds x / scale for a whole number of vectors, where the largest magnitude is finite and at
// least kSmallAmax.
template <Dtype kIn, Dtype kOut>
inline void round_pairs(const Input<kIn>* x, int64_t count, float scale, float reciprocal,
                        uint8_t* out) {
  for (int64_t i = 0; i < count; i += kElementsOfVector) {
    Dwords pairs;
    __builtin_memcpy(&pairs, x + i, sizeof(pairs));
    const Floats even = divide(even_magnitudes<kIn>(pairs), scale, reciprocal);
    const Floats odd = divide(odd_magnitudes<kIn>(pairs), scale, reciprocal);
    const Dwords codes =
        (magnitude_codes<kOut>(even) & 0xFFFF) | (magnitude_codes<kOut>(odd) << 16);
    const Words signs = (reinterpret_cast<Words>(pairs) >> 8) & 0x80;
    const auto bytes = __builtin_convertvector(reinterpret_cast<Words>(codes) | signs, HalfBytes);
    __builtin_memcpy(out + i, &bytes, sizeof(bytes));
  }
}

}  // namespace
}  // namespace ggfp8::steps
