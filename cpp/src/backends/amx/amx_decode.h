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

  // Decodes 64 codes, the first 32 of them into the first vector.
  inline __attribute__((always_inline)) Bf16Pair decode(__m512i codes) const {
    return decode_dealt(
        _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), codes));
  }

  // Decodes 64 codes: the lower 8 of each 16 into the first vector, the upper 8 into the second.
  // The lookup ignores the highest bit of its index.
  inline __attribute__((always_inline)) Bf16Pair decode_dealt(__m512i dealt) const {
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

// Transposes 4 x 4 quarters of vectors: lane l of from[4 * q] goes to lane q of to[4 * l].
inline void gather_lanes(const __m512i* from, __m512i* to) {
  const __m512i low01 = _mm512_shuffle_i32x4(from[0], from[4], 0x44);
  const __m512i high01 = _mm512_shuffle_i32x4(from[0], from[4], 0xEE);
  const __m512i low23 = _mm512_shuffle_i32x4(from[8], from[12], 0x44);
  const __m512i high23 = _mm512_shuffle_i32x4(from[8], from[12], 0xEE);
  to[0] = _mm512_shuffle_i32x4(low01, low23, 0x88);
  to[4] = _mm512_shuffle_i32x4(low01, low23, 0xDD);
  to[8] = _mm512_shuffle_i32x4(high01, high23, 0x88);
  to[12] = _mm512_shuffle_i32x4(high01, high23, 0xDD);
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
  for (int j = 0; j < 4; ++j) gather_lanes(y + j, rows + j);
}

// Transposes pairs of codes: the 64 codes of each of 16 rows become 16 vectors, each of two pairs of
// k. A quarter of a vector has the first pair of four rows, then the second, as decode_dealt() takes
// them. Moving codes takes half the instructions of moving what they are decoded to.
inline void transpose_pairs(__m512i (&rows)[16]) {
  // x[4 * q + j], lane l: pairs 8 * l + 2 * j and the next of rows 4 * q .. 4 * q + 3.
  __m512i x[16];
  for (int i = 0; i < 16; i += 4) {
    const __m512i low01 = _mm512_unpacklo_epi16(rows[i], rows[i + 1]);
    const __m512i high01 = _mm512_unpackhi_epi16(rows[i], rows[i + 1]);
    const __m512i low23 = _mm512_unpacklo_epi16(rows[i + 2], rows[i + 3]);
    const __m512i high23 = _mm512_unpackhi_epi16(rows[i + 2], rows[i + 3]);
    x[i] = _mm512_unpacklo_epi32(low01, low23);
    x[i + 1] = _mm512_unpackhi_epi32(low01, low23);
    x[i + 2] = _mm512_unpacklo_epi32(high01, high23);
    x[i + 3] = _mm512_unpackhi_epi32(high01, high23);
  }
  for (int j = 0; j < 4; ++j) gather_lanes(x + j, rows + j);
}

// Decodes num_k codes of up to 16 rows of a into the tiles of one row tile, pairs of k transposed.
// Rows up to 16 and k up to an even number of steps are filled with zeros.
template <Dtype kDtype>
void decode_a(const uint8_t* a, int64_t stride, int64_t num_rows, int64_t num_k, uint16_t* tiles) {
  const Bf16Decoder<kDtype> decoder;
  for (int64_t k = 0; k < num_k; k += kCodesPerVector) {
    __m512i pairs[kAmxRows];
    for (int64_t row = 0; row < kAmxRows; ++row) {
      pairs[row] = row < num_rows ? load_codes(a + row * stride + k, num_k - k)
                                  : _mm512_setzero_si512();
    }
    transpose_pairs(pairs);
    for (int64_t i = 0; i < kAmxRows; ++i) {
      const Bf16Pair pair = decoder.decode_dealt(pairs[i]);
      _mm512_store_si512(tiles + 2 * i * kAmxStepK, pair.first);
      _mm512_store_si512(tiles + (2 * i + 1) * kAmxStepK, pair.second);
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
