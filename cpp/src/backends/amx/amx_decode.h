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
constexpr int64_t kStepElementsB = kAmxPanelCols * kAmxStepK;         // of a panel
constexpr int64_t kPieceElementsB = kAmxPieceSteps * kStepElementsB;  // of a panel

constexpr int64_t lesser(int64_t x, int64_t y) {
  return x < y ? x : y;
}

constexpr int64_t divided_up(int64_t x, int64_t y) {
  return (x + y - 1) / y;
}

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

inline const Bf16ByteTables& bf16_byte_tables(Dtype dtype) {
  return dtype == Dtype::kFloat8E4M3 ? kBf16ByteTables<Dtype::kFloat8E4M3>
                                     : kBf16ByteTables<Dtype::kFloat8E5M2>;
}

struct Bf16Decoder {
  explicit Bf16Decoder(const Bf16ByteTables& tables)
      : high0(_mm512_load_si512(tables.high)),
        high1(_mm512_load_si512(tables.high + 64)),
        low0(_mm512_load_si512(tables.low)),
        low1(_mm512_load_si512(tables.low + 64)) {}

  // Decodes 64 codes, the first 32 of them into the first vector.
  inline __attribute__((always_inline)) Bf16Pair decode(__m512i codes) const {
    return decode_dealt(_mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), codes));
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

  __m512i high0, high1, low0, low1;
};

// Loads up to 64 codes; those past `count` are zero, and count may be 0 or less.
inline __m512i load_codes(const uint8_t* codes, int64_t count) {
  if (count >= kCodesPerVector) return _mm512_loadu_si512(codes);
  const __mmask64 mask = count <= 0 ? 0 : ~__mmask64{0} >> (kCodesPerVector - count);
  return _mm512_maskz_loadu_epi8(mask, codes);
}

// A section of a strip of b: num_k codes of each of num_cols columns, in pieces of piece_k.
// Columns from num_cols up to num_tile_cols, and k of a piece up to an even number of steps, are
// decoded to zeros. prefetch_offset leads from a code to what is read some time later.
struct StripSection {
  const uint8_t* b;
  int64_t stride;
  int64_t num_cols;
  int64_t num_tile_cols;
  int64_t num_k;
  int64_t piece_k;
  int64_t prefetch_offset;
  uint16_t* tiles;  // [pieces][panels of the strip][steps][32 columns][32 k]
};

// Decodes a section some columns of a piece at a time, between products. The pieces of a column
// follow one another, as they do in memory.
class StripDecoder {
 public:
  StripDecoder() = default;  // has nothing to decode
  StripDecoder(const Bf16ByteTables& tables, const StripSection& section, int64_t num_slots)
      : tables_(&tables),
        section_(section),
        piece_stride_(section.num_tile_cols / kAmxPanelCols * kPieceElementsB),
        num_left_(section.num_tile_cols * divided_up(section.num_k, section.piece_k)),
        num_at_a_time_(divided_up(num_left_, num_slots)),
        place_(column(section, 0)) {}

  void decode_some() { decode_up_to(num_at_a_time_); }
  void decode_rest() { decode_up_to(num_left_); }

 private:
  void decode_up_to(int64_t most) {
    if (num_left_ > 0) decode(lesser(most, num_left_));
  }

  // A piece of a column: its codes, the place of what they are decoded to.
  struct Place {
    int64_t col = 0;
    int64_t k = 0;
    const uint8_t* codes = nullptr;
    uint16_t* to = nullptr;
  };

  inline __attribute__((always_inline)) static Place column(const StripSection& section,
                                                            int64_t col) {
    const auto number = static_cast<uint64_t>(col);
    const uint64_t to =
        number / kAmxPanelCols * kPieceElementsB + number % kAmxPanelCols * kAmxStepK;
    return {col, 0, section.b + (col < section.num_cols ? col * section.stride : 0),
            section.tiles + to};
  }

  // A function of its own finds registers for the tables and pointers, which copies do not share
  // with memory that is written.
  __attribute__((noinline)) void decode(int64_t count) {
    constexpr int64_t kFullPiece = kAmxPieceSteps * kAmxStepK;
    const Bf16Decoder decoder(*tables_);
    const StripSection section = section_;
    const int64_t piece_stride = piece_stride_;
    Place place = place_;
    num_left_ -= count;
    for (; count > 0; --count) {
      const int64_t piece_k = lesser(section.piece_k, section.num_k - place.k);
      const bool exists = place.col < section.num_cols;
      if (piece_k == kFullPiece && exists) {
        const uint8_t* upper = place.codes + kCodesPerVector;
        decode_vector(decoder, place.codes, kCodesPerVector, section.prefetch_offset, place.to);
        decode_vector(decoder, upper, kCodesPerVector, section.prefetch_offset,
                      place.to + 2 * kStepElementsB);
      } else {
        const int64_t num_codes = exists ? piece_k : 0;
        for (int64_t i = 0; i < piece_k; i += kCodesPerVector) {
          decode_vector(decoder, place.codes + i, num_codes - i, section.prefetch_offset,
                        place.to + i / kAmxStepK * kStepElementsB);
        }
      }
      place.k += section.piece_k;
      place.codes += section.piece_k;
      place.to += piece_stride;
      if (place.k >= section.num_k) place = column(section, place.col + 1);
    }
    place_ = place;
  }

  // Decodes up to 64 codes into tiles of two steps.
  inline __attribute__((always_inline)) static void decode_vector(const Bf16Decoder& decoder,
                                                                  const uint8_t* codes,
                                                                  int64_t num_codes,
                                                                  int64_t prefetch_offset,
                                                                  uint16_t* to) {
    __builtin_prefetch(codes + prefetch_offset);
    const Bf16Pair pair = decoder.decode(load_codes(codes, num_codes));
    _mm512_store_si512(to, pair.first);
    _mm512_store_si512(to + kStepElementsB, pair.second);
  }

  const Bf16ByteTables* tables_ = nullptr;
  StripSection section_ = {};
  int64_t piece_stride_ = 0;  // elements from the tiles of a piece to those of the next one
  int64_t num_left_ = 0;      // pieces of columns
  int64_t num_at_a_time_ = 0;
  Place place_;  // of the next piece
};

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

// Transposes pairs of codes: the 64 codes of each of 16 rows become 16 vectors, each of two pairs
// of k. A quarter of a vector has the first pair of four rows, then the second, as decode_dealt()
// takes them. Moving codes takes half the instructions of moving what they are decoded to.
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
inline void decode_a(const Bf16ByteTables& tables, const uint8_t* a, int64_t stride,
                     int64_t num_rows, int64_t num_k, uint16_t* tiles) {
  const Bf16Decoder decoder(tables);
  for (int64_t k = 0; k < num_k; k += kCodesPerVector) {
    __m512i pairs[kAmxRows];
    for (int64_t row = 0; row < kAmxRows; ++row) {
      pairs[row] =
          row < num_rows ? load_codes(a + row * stride + k, num_k - k) : _mm512_setzero_si512();
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

}  // namespace
}  // namespace ggfp8
