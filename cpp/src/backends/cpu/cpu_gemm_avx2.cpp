// The AVX2 path (with FMA): 6 x 16 register tiles in 12 of the 16 vector registers.
// NOTE: compiled with instruction-set flags; see cpu_gemm_tile.h for what that forbids.
#include <immintrin.h>

#include "backends/cpu/cpu_fp8_decode.h"
#include "backends/cpu/cpu_gemm_tile.h"

namespace ggfp8 {
namespace {

constexpr int kLanes = 8;

__m128i load_16_bytes(const uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

__m256i broadcast_table(const uint8_t* table) {
  return _mm256_broadcastsi128_si256(load_16_bytes(table));
}

__m256i broadcast_byte(int value) {
  return _mm256_set1_epi8(static_cast<char>(value));
}

// 32 codes -> four vectors of 8 values. Vector i takes the i-th dword of each 128-bit lane.
template <Dtype kDtype>
struct Decoder {
  static constexpr const Fp8ByteTables& kTables = kFp8ByteTables<kDtype>;
  __m256i row_high = broadcast_table(kTables.row_high);
  __m256i row0_high = broadcast_table(kTables.row0_high);
  __m256i row0_low = broadcast_table(kTables.row0_low);

  GGFP8_INLINE void decode(__m256i codes, __m256 values[4]) const {
    constexpr int kShift = kTables.row_shift;
    const __m256i magnitude = _mm256_and_si256(codes, broadcast_byte(0x7F));
    const __m256i row0 = _mm256_add_epi8(magnitude, broadcast_byte(kTables.row0_offset));
    const __m256i row =
        _mm256_and_si256(_mm256_srli_epi16(magnitude, kShift), broadcast_byte(0x7F >> kShift));
    const __m256i shifted = _mm256_and_si256(_mm256_slli_epi16(codes, 8 - kShift),
                                             broadcast_byte(0xFF << (8 - kShift)));
    const __m256i low = _mm256_xor_si256(shifted, _mm256_shuffle_epi8(row0_low, row0));
    __m256i high =
        _mm256_or_si256(_mm256_shuffle_epi8(row_high, row), _mm256_shuffle_epi8(row0_high, row0));
    high = _mm256_or_si256(high, _mm256_and_si256(codes, broadcast_byte(0x80)));
    const __m256i special = _mm256_cmpgt_epi8(magnitude, broadcast_byte(kTables.first_special - 1));
    high =
        _mm256_or_si256(high, _mm256_and_si256(special, broadcast_byte(Fp8ByteTables::kSpecial)));

    const __m256i zero = _mm256_setzero_si256();
    const __m256i words01 = _mm256_unpacklo_epi8(low, high);
    const __m256i words23 = _mm256_unpackhi_epi8(low, high);
    values[0] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, words01));
    values[1] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, words01));
    values[2] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, words23));
    values[3] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, words23));
  }
};

// 16 codes of each of 8 columns -> quads[q] holds k = 4q .. 4q + 3: in 128-bit lane i, dword d,
// the bytes of columns 4i .. 4i + 3 at k = 4q + d.
GGFP8_INLINE void load_transposed(const uint8_t* const columns[kLanes], int64_t k,
                                  __m256i quads[4]) {
  __m256i rows[4];
  for (int i = 0; i < 4; ++i) {
    rows[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(load_16_bytes(columns[i] + k)),
                                      load_16_bytes(columns[4 + i] + k), 1);
  }
  const __m256i low01 = _mm256_unpacklo_epi8(rows[0], rows[1]);
  const __m256i high01 = _mm256_unpackhi_epi8(rows[0], rows[1]);
  const __m256i low23 = _mm256_unpacklo_epi8(rows[2], rows[3]);
  const __m256i high23 = _mm256_unpackhi_epi8(rows[2], rows[3]);
  quads[0] = _mm256_unpacklo_epi16(low01, low23);
  quads[1] = _mm256_unpackhi_epi16(low01, low23);
  quads[2] = _mm256_unpacklo_epi16(high01, high23);
  quads[3] = _mm256_unpackhi_epi16(high01, high23);
}

void promote(__m256 scale, __m256 sum, float* main_acc) {
  _mm256_store_ps(main_acc, _mm256_fmadd_ps(scale, sum, _mm256_load_ps(main_acc)));
}

struct Avx2 {
  static constexpr int kRows = 6;
  static constexpr int kCols = 2 * kLanes;

  template <Dtype kDtype>
  static void decode_rows(const uint8_t* a, int64_t stride, int64_t num_rows, int64_t num_k,
                          float* values) {
    const Decoder<kDtype> decoder;
    // Undoes the interleaving of Decoder: lane i, dword d comes from dword 2d + i.
    const __m256i order = _mm256_set_epi32(7, 5, 3, 1, 6, 4, 2, 0);
    for (int64_t row = 0; row < num_rows; ++row) {
      const uint8_t* codes = a + row * stride;
      float* row_values = values + row * kMaxGranularityK;
      prefetch_next_block(codes, num_k);
      for (int64_t k = 0; k < num_k; k += 32) {
        __m256i loaded = _mm256_castsi128_si256(load_16_bytes(codes + k));
        if (num_k - k > 16)
          loaded = _mm256_inserti128_si256(loaded, load_16_bytes(codes + k + 16), 1);
        __m256 decoded[4];
        decoder.decode(_mm256_permutevar8x32_epi32(loaded, order), decoded);
        for (int i = 0; i < 4; ++i) _mm256_store_ps(row_values + k + i * kLanes, decoded[i]);
      }
    }
  }

  template <Dtype kDtype>
  static void decode_panel(const uint8_t* b, int64_t stride, int64_t num_cols, int64_t num_k,
                           float* panel) {
    const Decoder<kDtype> decoder;
    const uint8_t* columns[kCols];
    locate_columns(b, stride, num_cols, num_k, columns);
    for (int half = 0; half < kCols; half += kLanes) {
      for (int64_t k = 0; k < num_k; k += 16) {
        __m256i quads[4];
        load_transposed(columns + half, k, quads);
        for (int q = 0; q < 4; ++q) {
          __m256 values[4];
          decoder.decode(quads[q], values);
          for (int i = 0; i < 4; ++i) {
            _mm256_store_ps(panel + (k + 4 * q + i) * kCols + half, values[i]);
          }
        }
      }
    }
  }

  template <int kNumRows>
  static void multiply(const float* a, const float* panel, int64_t num_k, const float* sfa,
                       const float* sfb, float* acc) {
    __m256 sum[kNumRows][2];
    GGFP8_UNROLL for (int row = 0; row < kNumRows; ++row) {
      sum[row][0] = sum[row][1] = _mm256_setzero_ps();
    }
    for (int64_t k = 0; k < num_k; ++k) {
      const __m256 b0 = _mm256_load_ps(panel + k * kCols);
      const __m256 b1 = _mm256_load_ps(panel + k * kCols + kLanes);
      GGFP8_UNROLL for (int row = 0; row < kNumRows; ++row) {
        const __m256 value = _mm256_broadcast_ss(a + row * kMaxGranularityK + k);
        sum[row][0] = _mm256_fmadd_ps(value, b0, sum[row][0]);
        sum[row][1] = _mm256_fmadd_ps(value, b1, sum[row][1]);
      }
    }
    const __m256 sfb0 = _mm256_loadu_ps(sfb);
    const __m256 sfb1 = _mm256_loadu_ps(sfb + kLanes);
    GGFP8_UNROLL for (int row = 0; row < kNumRows; ++row) {
      const __m256 scale = _mm256_broadcast_ss(sfa + row);
      float* main_acc = acc + row * kMaxTileCols;
      promote(_mm256_mul_ps(scale, sfb0), sum[row][0], main_acc);
      promote(_mm256_mul_ps(scale, sfb1), sum[row][1], main_acc + kLanes);
    }
  }
};

}  // namespace

extern const CpuIsa kAvx2Isa = {"avx2", "avx2 6x16", compute_tile<Avx2>, decode_codes<Avx2>};

}  // namespace ggfp8
