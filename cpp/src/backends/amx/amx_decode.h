// FP8 codes to bfloat16 tiles, by byte lookups of AVX-512 VBMI.
//
// NOTE: compiled with instruction-set flags; the unnamed namespace keeps the code apart from that
// of other files.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "backends/amx/amx_gemm.h"
#include "host/fp8_values.h"

namespace ggfp8 {
namespace {

constexpr int64_t kCodesPerVector = 64;

// The two bytes of the bfloat16 of a magnitude.
struct Bf16ByteTables {
  alignas(64) uint8_t high[128] = {};
  alignas(64) uint8_t low[128] = {};
};

template <Dtype kDtype>
inline constexpr Bf16ByteTables kBf16ByteTables = [] {
  Bf16ByteTables tables;
  for (uint32_t code = 0; code < 128; ++code) {
    const uint32_t bits = std::bit_cast<uint32_t>(fp8_value(kDtype, code)) >> 16;
    tables.high[code] = static_cast<uint8_t>(bits >> 8);
    tables.low[code] = static_cast<uint8_t>(bits);
  }
  return tables;
}();

// Two vectors of 32 bfloat16 values.
struct Bf16Pair {
  __m512i first;
  __m512i second;
};

template <Dtype kDtype>
struct Bf16Decoder {
  __m512i high0 = _mm512_load_si512(kBf16ByteTables<kDtype>.high);
  __m512i high1 = _mm512_load_si512(kBf16ByteTables<kDtype>.high + 64);
  __m512i low0 = _mm512_load_si512(kBf16ByteTables<kDtype>.low);
  __m512i low1 = _mm512_load_si512(kBf16ByteTables<kDtype>.low + 64);

  // Decodes 64 codes. The lookup ignores the highest bit of its index.
  inline __attribute__((always_inline)) Bf16Pair decode(__m512i codes) const {
    const __m512i dealt =
        _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), codes);
    const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
    constexpr int kOrAnd = 0xF8;  // x | (y & z)
    const __m512i high = _mm512_ternarylogic_epi64(_mm512_permutex2var_epi8(high0, dealt, high1),
                                                   dealt, sign, kOrAnd);
    const __m512i low = _mm512_permutex2var_epi8(low0, dealt, low1);
    return {_mm512_unpacklo_epi8(low, high), _mm512_unpackhi_epi8(low, high)};
  }
};

// Loads up to 64 codes; those past `count` are zero, and count may be 0 or less.
inline __m512i load_codes(const uint8_t* codes, int64_t count) {
  if (count >= kCodesPerVector) return _mm512_loadu_si512(codes);
  const __mmask64 mask = count <= 0 ? 0 : ~__mmask64{0} >> (kCodesPerVector - count);
  return _mm512_maskz_loadu_epi8(mask, codes);
}

// A piece of a panel of b: num_k codes of each of num_cols columns, whose tiles go to `tiles`.
// next_offset leads from a code to the one that is read a piece later.
struct PanelPiece {
  const uint8_t* b;
  int64_t stride;
  int64_t num_cols;
  int64_t num_k;
  int64_t next_offset;
  uint16_t* tiles;
};

// Decodes columns [first_col, last_col) of a piece. Columns from num_cols on and k up to an even
// number of steps are filled with zeros. No hardware prefetcher follows so many short runs.
template <Dtype kDtype>
void decode_b(const PanelPiece& piece, int64_t first_col, int64_t last_col) {
  constexpr int64_t kStepElements = 2 * kAmxElements;
  const Bf16Decoder<kDtype> decoder;
  for (int64_t col = first_col; col < last_col; ++col) {
    const bool exists = col < piece.num_cols;
    const uint8_t* codes = piece.b + (exists ? col * piece.stride : 0);
    const int64_t num_k = exists ? piece.num_k : 0;
    uint16_t* to = piece.tiles + col * kAmxStepK;
    for (int64_t k = 0; k < piece.num_k; k += kCodesPerVector) {
      __builtin_prefetch(codes + k + piece.next_offset);
      const Bf16Pair pair = decoder.decode(load_codes(codes + k, num_k - k));
      _mm512_store_si512(to, pair.first);
      _mm512_store_si512(to + kStepElements, pair.second);
      to += 2 * kStepElements;
    }
  }
}

// Transposes 16 x 16 dwords: dword j of row i goes to dword i of row j.
inline void transpose_dwords(__m512i (&rows)[16]) {
  __m512i x[16];
  for (int i = 0; i < 16; i += 2) {
    x[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    x[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  __m512i y[16];
  for (int i = 0; i < 16; i += 4) {
    y[i] = _mm512_unpacklo_epi64(x[i], x[i + 2]);
    y[i + 1] = _mm512_unpackhi_epi64(x[i], x[i + 2]);
    y[i + 2] = _mm512_unpacklo_epi64(x[i + 1], x[i + 3]);
    y[i + 3] = _mm512_unpackhi_epi64(x[i + 1], x[i + 3]);
  }
  // y[4 * q + j], lane l: dword 4 * l + j of rows 4 * q .. 4 * q + 3.
  for (int j = 0; j < 4; ++j) {
    const __m512i low01 = _mm512_shuffle_i32x4(y[j], y[4 + j], 0x44);
    const __m512i high01 = _mm512_shuffle_i32x4(y[j], y[4 + j], 0xEE);
    const __m512i low23 = _mm512_shuffle_i32x4(y[8 + j], y[12 + j], 0x44);
    const __m512i high23 = _mm512_shuffle_i32x4(y[8 + j], y[12 + j], 0xEE);
    rows[j] = _mm512_shuffle_i32x4(low01, low23, 0x88);
    rows[4 + j] = _mm512_shuffle_i32x4(low01, low23, 0xDD);
    rows[8 + j] = _mm512_shuffle_i32x4(high01, high23, 0x88);
    rows[12 + j] = _mm512_shuffle_i32x4(high01, high23, 0xDD);
  }
}

// Decodes num_k codes of up to 16 rows of a into the tiles of one row tile, pairs of k transposed.
// Rows up to 16 and k up to an even number of steps are filled with zeros.
template <Dtype kDtype>
void decode_a(const uint8_t* a, int64_t stride, int64_t num_rows, int64_t num_k, uint16_t* tiles) {
  const Bf16Decoder<kDtype> decoder;
  for (int64_t k = 0; k < num_k; k += kCodesPerVector) {
    __m512i first[kAmxRows], second[kAmxRows];
    for (int64_t row = 0; row < kAmxRows; ++row) {
      Bf16Pair pair = {_mm512_setzero_si512(), _mm512_setzero_si512()};
      if (row < num_rows) pair = decoder.decode(load_codes(a + row * stride + k, num_k - k));
      first[row] = pair.first;
      second[row] = pair.second;
    }
    transpose_dwords(first);
    transpose_dwords(second);
    for (int64_t row = 0; row < kAmxRows; ++row) {
      _mm512_store_si512(tiles + row * kAmxStepK, first[row]);
      _mm512_store_si512(tiles + kAmxElements + row * kAmxStepK, second[row]);
    }
    tiles += 2 * kAmxElements;
  }
}

using DecodeA = void (*)(const uint8_t* a, int64_t stride, int64_t num_rows, int64_t num_k,
                         uint16_t* tiles);
using DecodeB = void (*)(const PanelPiece& piece, int64_t first_col, int64_t last_col);

inline DecodeA a_decoder(Dtype dtype) {
  return dtype == Dtype::kFloat8E4M3 ? decode_a<Dtype::kFloat8E4M3> : decode_a<Dtype::kFloat8E5M2>;
}

inline DecodeB b_decoder(Dtype dtype) {
  return dtype == Dtype::kFloat8E4M3 ? decode_b<Dtype::kFloat8E4M3> : decode_b<Dtype::kFloat8E5M2>;
}

}  // namespace
}  // namespace ggfp8
