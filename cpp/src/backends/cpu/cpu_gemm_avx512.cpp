// The AVX-512 path (F, BW, DQ, VL): 14 x 32 register tiles in 28 of the 32 vector registers.
// NOTE: compiled with instruction-set flags; see cpu_gemm_tile.h for what that forbids.
#include <immintrin.h>

#include "backends/cpu/cpu_fp8_decode.h"
#include "backends/cpu/cpu_gemm_tile.h"

namespace ggfp8 {
namespace {

constexpr int kLanes = 16;

__m512i broadcast_table(const uint8_t* table) {
  return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
}

__m512i broadcast_byte(int value) {
  return _mm512_set1_epi8(static_cast<char>(value));
}

// 64 codes -> four vectors of 16 values. Vector i takes the i-th dword of each 128-bit lane.
template <Dtype kDtype>
struct Decoder {
  static constexpr const Fp8ByteTables& kTables = kFp8ByteTables<kDtype>;
  __m512i row_high = broadcast_table(kTables.row_high);
  __m512i row0_high = broadcast_table(kTables.row0_high);
  __m512i row0_low = broadcast_table(kTables.row0_low);

  GGFP8_INLINE void decode(__m512i codes, __m512 values[4]) const {
    constexpr int kShift = kTables.row_shift;
    const __m512i magnitude = _mm512_and_si512(codes, broadcast_byte(0x7F));
    const __m512i row0 = _mm512_add_epi8(magnitude, broadcast_byte(kTables.row0_offset));
    const __m512i row =
        _mm512_and_si512(_mm512_srli_epi16(magnitude, kShift), broadcast_byte(0x7F >> kShift));
    const __m512i shifted = _mm512_and_si512(_mm512_slli_epi16(codes, 8 - kShift),
                                             broadcast_byte(0xFF << (8 - kShift)));
    const __m512i low = _mm512_xor_si512(shifted, _mm512_shuffle_epi8(row0_low, row0));
    __m512i high =
        _mm512_or_si512(_mm512_shuffle_epi8(row_high, row), _mm512_shuffle_epi8(row0_high, row0));
    high = _mm512_or_si512(high, _mm512_and_si512(codes, broadcast_byte(0x80)));
    const __mmask64 special =
        _mm512_cmpge_epi8_mask(magnitude, broadcast_byte(kTables.first_special));
    high = _mm512_or_si512(high,
                           _mm512_maskz_mov_epi8(special, broadcast_byte(Fp8ByteTables::kSpecial)));

    const __m512i zero = _mm512_setzero_si512();
    const __m512i words01 = _mm512_unpacklo_epi8(low, high);
    const __m512i words23 = _mm512_unpackhi_epi8(low, high);
    values[0] = _mm512_castsi512_ps(_mm512_unpacklo_epi16(zero, words01));
    values[1] = _mm512_castsi512_ps(_mm512_unpackhi_epi16(zero, words01));
    values[2] = _mm512_castsi512_ps(_mm512_unpacklo_epi16(zero, words23));
    values[3] = _mm512_castsi512_ps(_mm512_unpackhi_epi16(zero, words23));
  }
};

// 16 codes of each of 16 columns -> quads[q] holds k = 4q .. 4q + 3: in 128-bit lane i, dword d,
// the bytes of columns 4i .. 4i + 3 at k = 4q + d.
GGFP8_INLINE void load_transposed(const uint8_t* const columns[kLanes], int64_t k,
                                  __m512i quads[4]) {
  __m512i rows[4];
  for (int i = 0; i < 4; ++i) {
    const auto load = [&](int lane) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(columns[4 * lane + i] + k));
    };
    rows[i] = _mm512_castsi128_si512(load(0));
    rows[i] = _mm512_inserti32x4(rows[i], load(1), 1);
    rows[i] = _mm512_inserti32x4(rows[i], load(2), 2);
    rows[i] = _mm512_inserti32x4(rows[i], load(3), 3);
  }
  const __m512i low01 = _mm512_unpacklo_epi8(rows[0], rows[1]);
  const __m512i high01 = _mm512_unpackhi_epi8(rows[0], rows[1]);
  const __m512i low23 = _mm512_unpacklo_epi8(rows[2], rows[3]);
  const __m512i high23 = _mm512_unpackhi_epi8(rows[2], rows[3]);
  quads[0] = _mm512_unpacklo_epi16(low01, low23);
  quads[1] = _mm512_unpackhi_epi16(low01, low23);
  quads[2] = _mm512_unpacklo_epi16(high01, high23);
  quads[3] = _mm512_unpackhi_epi16(high01, high23);
}

void promote(__m512 scale, __m512 sum, float* main_acc) {
  _mm512_store_ps(main_acc, _mm512_fmadd_ps(scale, sum, _mm512_load_ps(main_acc)));
}

struct Avx512 {
  static constexpr int kRows = 14;
  static constexpr int kCols = 2 * kLanes;

  template <Dtype kDtype>
  static void decode_rows(const uint8_t* a, int64_t stride, int64_t num_rows, int64_t num_k,
                          float* values) {
    const Decoder<kDtype> decoder;
    // Undoes the interleaving of Decoder: lane i, dword d comes from dword 4d + i.
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    for (int64_t row = 0; row < num_rows; ++row) {
      const uint8_t* codes = a + row * stride;
      float* row_values = values + row * kMaxGranularityK;
      prefetch_next_block(codes, num_k);
      for (int64_t k = 0; k < num_k; k += 64) {
        const int64_t count = lesser(64, num_k - k);
        const __m512i loaded = _mm512_maskz_loadu_epi8(~__mmask64{0} >> (64 - count), codes + k);
        __m512 decoded[4];
        decoder.decode(_mm512_permutexvar_epi32(order, loaded), decoded);
        for (int i = 0; i < 4; ++i) _mm512_store_ps(row_values + k + i * kLanes, decoded[i]);
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
        __m512i quads[4];
        load_transposed(columns + half, k, quads);
        for (int q = 0; q < 4; ++q) {
          __m512 values[4];
          decoder.decode(quads[q], values);
          for (int i = 0; i < 4; ++i) {
            _mm512_store_ps(panel + (k + 4 * q + i) * kCols + half, values[i]);
          }
        }
      }
    }
  }

  template <int kNumRows>
  static void multiply(const float* a, const float* panel, int64_t num_k, const float* sfa,
                       const float* sfb, float* acc) {
    __m512 sum[kNumRows][2];
    GGFP8_UNROLL for (int row = 0; row < kNumRows; ++row) {
      sum[row][0] = sum[row][1] = _mm512_setzero_ps();
    }
    for (int64_t k = 0; k < num_k; ++k) {
      const __m512 b0 = _mm512_load_ps(panel + k * kCols);
      const __m512 b1 = _mm512_load_ps(panel + k * kCols + kLanes);
      GGFP8_UNROLL for (int row = 0; row < kNumRows; ++row) {
        const __m512 value = _mm512_set1_ps(a[row * kMaxGranularityK + k]);
        sum[row][0] = _mm512_fmadd_ps(value, b0, sum[row][0]);
        sum[row][1] = _mm512_fmadd_ps(value, b1, sum[row][1]);
      }
    }
    const __m512 sfb0 = _mm512_loadu_ps(sfb);
    const __m512 sfb1 = _mm512_loadu_ps(sfb + kLanes);
    GGFP8_UNROLL for (int row = 0; row < kNumRows; ++row) {
      const __m512 scale = _mm512_set1_ps(sfa[row]);
      float* main_acc = acc + row * kMaxTileCols;
      promote(_mm512_mul_ps(scale, sfb0), sum[row][0], main_acc);
      promote(_mm512_mul_ps(scale, sfb1), sum[row][1], main_acc + kLanes);
    }
  }
};

}  // namespace

extern const CpuIsa kAvx512Isa = {"avx512", "avx512 14x32", compute_tile<Avx512>,
                                  decode_codes<Avx512>};

}  // namespace ggfp8
