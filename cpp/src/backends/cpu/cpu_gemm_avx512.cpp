// The AVX-512 path (F, BW, DQ, VL): 14 x 32 register tiles in 28 of the 32 vector registers.
// NOTE: compiled with instruction-set flags; see cpu_gemm_tile.h for what that forbids.
#include <immintrin.h>

#include "backends/cpu/cpu_gemm_tile.h"
#include "backends/cpu/cpu_vector_decode.h"

namespace ggfp8 {
namespace {

GGFP8_INLINE __m128i load_16(const uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

// The vectors that cpu_gemm_tile.h and cpu_vector_decode.h ask for.
struct Avx512 {
  using Floats = __m512;
  using Bytes = __m512i;
  static constexpr int kRows = 14;
  static constexpr int kLanes = 16;

  static GGFP8_INLINE Floats load(const float* x) { return _mm512_load_ps(x); }
  static GGFP8_INLINE void store(float* to, Floats x) { _mm512_store_ps(to, x); }
  static GGFP8_INLINE Floats broadcast(const float* x) { return _mm512_set1_ps(*x); }
  static GGFP8_INLINE Floats add_product(Floats sum, Floats x, Floats y) {
    return _mm512_fmadd_ps(x, y, sum);
  }
  static GGFP8_INLINE void promote(const float* sfa, const float* sfb, Floats sum, float* acc) {
    store(acc, _mm512_fmadd_ps(broadcast(sfa) * load(sfb), sum, load(acc)));
  }

  static GGFP8_INLINE Bytes byte(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }
  static GGFP8_INLINE Bytes repeat_16(const uint8_t* table) {
    return _mm512_broadcast_i32x4(load_16(table));
  }
  static GGFP8_INLINE Bytes load_codes(const uint8_t* codes, int64_t count) {
    return _mm512_maskz_loadu_epi8(~__mmask64{0} >> (64 - lesser(64, count)), codes);
  }
  static GGFP8_INLINE Bytes load_lanes(const uint8_t* const* columns, int64_t k) {
    Bytes lanes = _mm512_castsi128_si512(load_16(columns[0] + k));
    lanes = _mm512_inserti32x4(lanes, load_16(columns[4] + k), 1);
    lanes = _mm512_inserti32x4(lanes, load_16(columns[8] + k), 2);
    return _mm512_inserti32x4(lanes, load_16(columns[12] + k), 3);
  }
  static GGFP8_INLINE Bytes deal_dwords(Bytes x) {
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), x);
  }
  static GGFP8_INLINE Bytes add_bytes(Bytes x, Bytes y) { return _mm512_add_epi8(x, y); }
  template <int kBits>
  static GGFP8_INLINE Bytes shift_words_left(Bytes x) {
    return _mm512_slli_epi16(x, kBits);
  }
  template <int kBits>
  static GGFP8_INLINE Bytes shift_words_right(Bytes x) {
    return _mm512_srli_epi16(x, kBits);
  }
  static GGFP8_INLINE Bytes keep_at_least(Bytes x, int limit, Bytes y) {
    return _mm512_maskz_mov_epi8(_mm512_cmpge_epi8_mask(x, byte(limit)), y);
  }
  static GGFP8_INLINE Bytes lookup(Bytes table, Bytes x) { return _mm512_shuffle_epi8(table, x); }
  static GGFP8_INLINE Bytes zip_bytes_low(Bytes x, Bytes y) { return _mm512_unpacklo_epi8(x, y); }
  static GGFP8_INLINE Bytes zip_bytes_high(Bytes x, Bytes y) { return _mm512_unpackhi_epi8(x, y); }
  static GGFP8_INLINE Bytes zip_words_low(Bytes x, Bytes y) { return _mm512_unpacklo_epi16(x, y); }
  static GGFP8_INLINE Bytes zip_words_high(Bytes x, Bytes y) { return _mm512_unpackhi_epi16(x, y); }
  static GGFP8_INLINE Floats as_floats(Bytes x) { return _mm512_castsi512_ps(x); }
};

using Avx512Path = VectorDecode<Avx512>;

}  // namespace

extern const CpuIsa kAvx512Isa = {InstructionSet::kAvx512, "avx512", "avx512 14x32",
                                  compute_tile<Avx512Path>, decode_codes<Avx512Path>};

}  // namespace ggfp8
