// Vectors as wide as the registers that the including file's flags allow, by the extensions of GCC
// and Clang: operators work on all lanes.
//
// NOTE: the unnamed namespace keeps each instruction set's copy apart, as in output_convert.h.
#pragma once

#if defined(__FMA__)
#include <immintrin.h>
#endif

#include <cstdint>

namespace ggfp8 {
namespace {

#if defined(__AVX512BW__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

using Floats __attribute__((vector_size(kVectorBytes))) = float;
using Dwords __attribute__((vector_size(kVectorBytes))) = uint32_t;
using Words __attribute__((vector_size(kVectorBytes))) = uint16_t;
using HalfWords __attribute__((vector_size(kVectorBytes / 2))) = uint16_t;
using HalfBytes __attribute__((vector_size(kVectorBytes / 2))) = uint8_t;  // of half the width

#if defined(__FMA__)
// x * y + z, rounded once.
inline Floats fused_multiply_add(Floats x, float y, Floats z) {
#if defined(__AVX512F__)
  return reinterpret_cast<Floats>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(x), _mm512_set1_ps(y), reinterpret_cast<__m512>(z)));
#else
  return reinterpret_cast<Floats>(
      _mm256_fmadd_ps(reinterpret_cast<__m256>(x), _mm256_set1_ps(y), reinterpret_cast<__m256>(z)));
#endif
}
#endif

#if defined(__AVX512F__)
// Converts float16 elements, exactly.
inline Floats halves_to_floats(HalfWords x) {
  return reinterpret_cast<Floats>(_mm512_maskz_cvtph_ps(0xFFFF, reinterpret_cast<__m256i>(x)));
}
#endif

}  // namespace
}  // namespace ggfp8
