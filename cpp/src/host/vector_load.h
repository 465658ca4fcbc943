// bfloat16, float16 and float32 -> a vector of float32, exact.
//
// NOTE: the unnamed namespace keeps each instruction set's copy apart, as in output_convert.h.
#pragma once

#include <cstdint>

#include "host/input_convert.h"
#include "host/vectors.h"

namespace ggfp8 {
namespace {

constexpr int64_t kLanes = kVectorBytes / 4;

// from_float16() of elements whose magnitude and sign have been moved to where float32 has them.
inline Floats from_float16_bits(Dwords magnitude, Dwords sign) {
  const Floats scaled = reinterpret_cast<Floats>(magnitude) * 0x1p112f;
  const Dwords special = reinterpret_cast<Dwords>(magnitude >= 0x0F800000) & 0x7F800000;
  return reinterpret_cast<Floats>(reinterpret_cast<Dwords>(scaled) | special | sign);
}

// Converts kLanes elements.
template <Dtype kIn>
inline Floats load_floats(const Input<kIn>* x) {
  if constexpr (kIn == Dtype::kFloat32) {
    Floats values;
    __builtin_memcpy(&values, x, sizeof(values));
    return values;
  } else {
    HalfWords elements;
    __builtin_memcpy(&elements, x, sizeof(elements));
    const Dwords bits = __builtin_convertvector(elements, Dwords);
    if constexpr (kIn == Dtype::kBFloat16) return reinterpret_cast<Floats>(bits << 16);
#if defined(__AVX512F__)
    return halves_to_floats(elements);
#else
    return from_float16_bits((bits & 0x7FFF) << 13, (bits & 0x8000) << 16);
#endif
  }
}

}  // namespace
}  // namespace ggfp8
