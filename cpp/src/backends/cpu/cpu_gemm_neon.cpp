// The NEON path of aarch64: 14 x 8 register tiles in 28 of the 32 vector registers.
// NEON is part of every aarch64 processor, so the file needs no instruction-set flags.
#include <arm_neon.h>

#include "backends/cpu/cpu_gemm_tile.h"
#include "backends/cpu/cpu_vector_decode.h"

namespace ggfp8 {
namespace {

// The vectors that cpu_gemm_tile.h and cpu_vector_decode.h ask for. A vector is one 128-bit lane.
struct Neon {
  using Floats = float32x4_t;
  using Bytes = uint8x16_t;
  static constexpr int kRows = 14;
  static constexpr int kLanes = 4;

  static GGFP8_INLINE Floats load(const float* x) { return vld1q_f32(x); }
  static GGFP8_INLINE void store(float* to, Floats x) { vst1q_f32(to, x); }
  static GGFP8_INLINE Floats broadcast(const float* x) { return vld1q_dup_f32(x); }
  static GGFP8_INLINE Floats add_product(Floats sum, Floats x, Floats y) {
    return vfmaq_f32(sum, x, y);
  }
  static GGFP8_INLINE void promote(const float* sfa, const float* sfb, Floats sum, float* acc) {
    store(acc, vfmaq_f32(load(acc), vmulq_f32(broadcast(sfa), load(sfb)), sum));
  }

  static GGFP8_INLINE Bytes byte(int value) { return vdupq_n_u8(static_cast<uint8_t>(value)); }
  static GGFP8_INLINE Bytes repeat_16(const uint8_t* table) { return vld1q_u8(table); }
  static GGFP8_INLINE Bytes load_codes(const uint8_t* codes, int64_t) { return vld1q_u8(codes); }
  static GGFP8_INLINE Bytes load_lanes(const uint8_t* const* columns, int64_t k) {
    return vld1q_u8(columns[0] + k);
  }
  static GGFP8_INLINE Bytes deal_dwords(Bytes x) { return x; }
  static GGFP8_INLINE Bytes add_bytes(Bytes x, Bytes y) { return vaddq_u8(x, y); }
  template <int kBits>
  static GGFP8_INLINE Bytes shift_words_left(Bytes x) {
    return vreinterpretq_u8_u16(vshlq_n_u16(words(x), kBits));
  }
  template <int kBits>
  static GGFP8_INLINE Bytes shift_words_right(Bytes x) {
    return vreinterpretq_u8_u16(vshrq_n_u16(words(x), kBits));
  }
  static GGFP8_INLINE Bytes keep_at_least(Bytes x, int limit, Bytes y) {
    return vcgeq_s8(vreinterpretq_s8_u8(x), vdupq_n_s8(static_cast<int8_t>(limit))) & y;
  }
  // tbl gives 0 for every index of 16 or more.
  static GGFP8_INLINE Bytes lookup(Bytes table, Bytes x) {
    return vqtbl1q_u8(table, x & byte(0x8F));
  }
  static GGFP8_INLINE Bytes zip_bytes_low(Bytes x, Bytes y) { return vzip1q_u8(x, y); }
  static GGFP8_INLINE Bytes zip_bytes_high(Bytes x, Bytes y) { return vzip2q_u8(x, y); }
  static GGFP8_INLINE Bytes zip_words_low(Bytes x, Bytes y) {
    return vreinterpretq_u8_u16(vzip1q_u16(words(x), words(y)));
  }
  static GGFP8_INLINE Bytes zip_words_high(Bytes x, Bytes y) {
    return vreinterpretq_u8_u16(vzip2q_u16(words(x), words(y)));
  }
  static GGFP8_INLINE Floats as_floats(Bytes x) { return vreinterpretq_f32_u8(x); }

 private:
  static GGFP8_INLINE uint16x8_t words(Bytes x) { return vreinterpretq_u16_u8(x); }
};

using NeonPath = VectorDecode<Neon>;

}  // namespace

extern const CpuIsa kNeonIsa = {InstructionSet::kNeon, "neon", "neon 14x8", compute_tile<NeonPath>,
                                decode_codes<NeonPath>};

}  // namespace ggfp8
