// The AVX2 path (with FMA): 6 x 16 register tiles in 12 of the 16 vector registers.
// NOTE: compiled with instruction-set flags; see cpu_gemm_tile.h for what that forbids.
#include <immintrin.h>

#include "backends/cpu/cpu_gemm_tile.h"
#include "backends/cpu/cpu_vector_decode.h"

namespace ggfp8 {
namespace {

GGFP8_INLINE __m128i load_16(const uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

// Loads the lower and the upper 128-bit lane.
GGFP8_INLINE __m256i load_two(const uint8_t* low, const uint8_t* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load_16(low)), load_16(high), 1);
}

// The vectors that cpu_gemm_tile.h and cpu_vector_decode.h ask for.
struct Avx2 {
  using Floats = __m256;
  using Bytes = __m256i;
  static constexpr int kRows = 6;
  static constexpr int kLanes = 8;

  static GGFP8_INLINE Floats load(const float* x) { return _mm256_load_ps(x); }
  static GGFP8_INLINE void store(float* to, Floats x) { _mm256_store_ps(to, x); }
  static GGFP8_INLINE Floats broadcast(const float* x) { return _mm256_broadcast_ss(x); }
  static GGFP8_INLINE Floats add_product(Floats sum, Floats x, Floats y) {
    return _mm256_fmadd_ps(x, y, sum);
  }
  static GGFP8_INLINE void promote(const float* sfa, const float* sfb, Floats sum, float* acc) {
    store(acc, _mm256_fmadd_ps(broadcast(sfa) * load(sfb), sum, load(acc)));
  }

  static GGFP8_INLINE Bytes byte(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }
  static GGFP8_INLINE Bytes repeat_16(const uint8_t* table) {
    return _mm256_broadcastsi128_si256(load_16(table));
  }
  static GGFP8_INLINE Bytes load_codes(const uint8_t* codes, int64_t count) {
    if (count > 16) return load_two(codes, codes + 16);
    return _mm256_castsi128_si256(load_16(codes));
  }
  static GGFP8_INLINE Bytes load_lanes(const uint8_t* const* columns, int64_t k) {
    return load_two(columns[0] + k, columns[4] + k);
  }
  static GGFP8_INLINE Bytes deal_dwords(Bytes x) {
    return _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
  }
  static GGFP8_INLINE Bytes add_bytes(Bytes x, Bytes y) { return _mm256_add_epi8(x, y); }
  template <int kBits>
  static GGFP8_INLINE Bytes shift_words_left(Bytes x) {
    return _mm256_slli_epi16(x, kBits);
  }
  template <int kBits>
  static GGFP8_INLINE Bytes shift_words_right(Bytes x) {
    return _mm256_srli_epi16(x, kBits);
  }
  static GGFP8_INLINE Bytes keep_at_least(Bytes x, int limit, Bytes y) {
    return _mm256_cmpgt_epi8(x, byte(limit - 1)) & y;
  }
  static GGFP8_INLINE Bytes lookup(Bytes table, Bytes x) { return _mm256_shuffle_epi8(table, x); }
  static GGFP8_INLINE Bytes zip_bytes_low(Bytes x, Bytes y) { return _mm256_unpacklo_epi8(x, y); }
  static GGFP8_INLINE Bytes zip_bytes_high(Bytes x, Bytes y) { return _mm256_unpackhi_epi8(x, y); }
  static GGFP8_INLINE Bytes zip_words_low(Bytes x, Bytes y) { return _mm256_unpacklo_epi16(x, y); }
  static GGFP8_INLINE Bytes zip_words_high(Bytes x, Bytes y) { return _mm256_unpackhi_epi16(x, y); }
  static GGFP8_INLINE Floats as_floats(Bytes x) { return _mm256_castsi256_ps(x); }
};

using Avx2Path = VectorDecode<Avx2>;

}  // namespace

extern const CpuIsa kAvx2Isa = {InstructionSet::kAvx2, "avx2", "avx2 6x16", compute_tile<Avx2Path>,
                                decode_codes<Avx2Path>};

}  // namespace ggfp8
