// Decoding of FP8 codes in vectors, written once for all instruction sets with byte lookups.
//
// VectorDecode<Vectors> is a policy class of cpu_gemm_tile.h. Vectors has the rest of that policy
// and what follows, where x and y are of type Bytes, a vector of 4 * kLanes bytes:
//
//   store(to, x)                 at an address aligned for the vector
//   byte(value)                  the same byte everywhere
//   repeat_16(table)             the 16 bytes of a table in every 128-bit lane
//   load_codes(codes, count)     the first min(count, 4 * kLanes) codes, a multiple of 16, and then
//                                bytes of any value
//   load_lanes(columns, k)       lane i has 16 codes of columns[4 * i], from k on
//   deal_dwords(x)               lane i has dwords i, i + kLanes / 4, i + kLanes / 2, ... of x
//   add_bytes(x, y)
//   shift_words_left<n>(x), shift_words_right<n>(x)
//   keep_at_least(x, limit, y)   y where x, as signed bytes, is at least limit; 0 elsewhere
//   lookup(table, x)             table[x & 15] of the same lane; 0 where x is at least 0x80
//   zip_bytes_low(x, y), zip_bytes_high(x, y), zip_words_low(x, y), zip_words_high(x, y)
//                                x0 y0 x1 y1 ... of the lower or the upper half of every lane
//   as_floats(x)                 the same bits
//
// NOTE: the unnamed namespace keeps each instruction set's copy apart, as in cpu_gemm_tile.h.
#pragma once

#include <cstdint>

#include "backends/cpu/cpu_gemm_tile.h"
#include "host/fp8_values.h"

namespace ggfp8 {
namespace {

// Decodes 4 * kLanes codes to four vectors. Vector i takes the i-th dword of each 128-bit lane, so
// that dwords in the order of deal_dwords() come out in the order of memory.
template <class Vectors, Dtype kDtype>
struct Decoder : Vectors {
  using Bytes = typename Vectors::Bytes;
  using Floats = typename Vectors::Floats;
  using Vectors::byte;
  static constexpr const Fp8ByteTables& kTables = kFp8ByteTables<kDtype>;

  Bytes row_high = Vectors::repeat_16(kTables.row_high);
  Bytes row0_high = Vectors::repeat_16(kTables.row0_high);
  Bytes row0_low = Vectors::repeat_16(kTables.row0_low);

  GGFP8_INLINE void decode(Bytes codes, Floats values[4]) const {
    constexpr int kShift = kTables.row_shift;
    const Bytes magnitude = codes & byte(0x7F);
    const Bytes row0 = Vectors::add_bytes(magnitude, byte(kTables.row0_offset));
    const Bytes row = Vectors::template shift_words_right<kShift>(magnitude) & byte(0x7F >> kShift);
    const Bytes shifted =
        Vectors::template shift_words_left<8 - kShift>(codes) & byte(0xFF << (8 - kShift));
    const Bytes low = shifted ^ Vectors::lookup(row0_low, row0);
    Bytes high = Vectors::lookup(row_high, row) | Vectors::lookup(row0_high, row0);
    high |= codes & byte(0x80);
    high |= Vectors::keep_at_least(magnitude, kTables.first_special, byte(Fp8ByteTables::kSpecial));

    const Bytes words01 = Vectors::zip_bytes_low(low, high);
    const Bytes words23 = Vectors::zip_bytes_high(low, high);
    values[0] = Vectors::as_floats(Vectors::zip_words_low(byte(0), words01));
    values[1] = Vectors::as_floats(Vectors::zip_words_high(byte(0), words01));
    values[2] = Vectors::as_floats(Vectors::zip_words_low(byte(0), words23));
    values[3] = Vectors::as_floats(Vectors::zip_words_high(byte(0), words23));
  }
};

template <class Vectors>
struct VectorDecode : Vectors {
  using Bytes = typename Vectors::Bytes;
  using Floats = typename Vectors::Floats;
  using Vectors::kLanes;

  template <Dtype kDtype>
  static void decode_rows(const uint8_t* a, int64_t stride, int64_t num_rows, int64_t num_k,
                          float* values) {
    const Decoder<Vectors, kDtype> decoder;
    for (int64_t row = 0; row < num_rows; ++row) {
      const uint8_t* codes = a + row * stride;
      float* row_values = values + row * kMaxGranularityK;
      prefetch_next_block(codes, num_k);
      for (int64_t k = 0; k < num_k; k += 4 * kLanes) {
        Floats decoded[4];
        decoder.decode(Vectors::deal_dwords(Vectors::load_codes(codes + k, num_k - k)), decoded);
        for (int i = 0; i < 4; ++i) Vectors::store(row_values + k + i * kLanes, decoded[i]);
      }
    }
  }

  template <Dtype kDtype>
  static void decode_panel(const uint8_t* b, int64_t stride, int64_t num_cols, int64_t num_k,
                           float* panel) {
    constexpr int kCols = kPanelCols<Vectors>;
    const Decoder<Vectors, kDtype> decoder;
    const uint8_t* columns[kCols];
    locate_columns(b, stride, num_cols, num_k, columns);
    for (int half = 0; half < kCols; half += kLanes) {
      for (int64_t k = 0; k < num_k; k += 16) {
        Bytes quads[4];
        load_transposed(columns + half, k, quads);
        for (int q = 0; q < 4; ++q) {
          Floats values[4];
          decoder.decode(quads[q], values);
          for (int i = 0; i < 4; ++i) {
            Vectors::store(panel + (k + 4 * q + i) * kCols + half, values[i]);
          }
        }
      }
    }
  }

 private:
  // Loads 16 codes of each of kLanes columns. quads[q] holds k = 4q .. 4q + 3: in 128-bit lane i,
  // dword d, the bytes of columns 4i .. 4i + 3 at k = 4q + d.
  static GGFP8_INLINE void load_transposed(const uint8_t* const columns[kLanes], int64_t k,
                                           Bytes quads[4]) {
    Bytes rows[4];
    for (int i = 0; i < 4; ++i) rows[i] = Vectors::load_lanes(columns + i, k);
    const Bytes low01 = Vectors::zip_bytes_low(rows[0], rows[1]);
    const Bytes high01 = Vectors::zip_bytes_high(rows[0], rows[1]);
    const Bytes low23 = Vectors::zip_bytes_low(rows[2], rows[3]);
    const Bytes high23 = Vectors::zip_bytes_high(rows[2], rows[3]);
    quads[0] = Vectors::zip_words_low(low01, low23);
    quads[1] = Vectors::zip_words_high(low01, low23);
    quads[2] = Vectors::zip_words_low(high01, high23);
    quads[3] = Vectors::zip_words_high(high01, high23);
  }
};

}  // namespace
}  // namespace ggfp8
