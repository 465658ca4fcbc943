// One k-block of a warpgroup's part of a tile: its scales, its products and their promotion.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_consumer.cuh"
#include "ptx/smem_load.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// The scales of a k-block that a thread needs: of its two rows, and of its columns, which come in
// thirds, each with one, or have one together.
template <int kN>
struct RowScales {
  static constexpr int kNumParts = ColumnScales::num_segments(kN);

  float sfa[2];
  float sfb[4];

  // Shared memory: `rows` is the scale of the first row, the second is 8 further.
  __device__ __forceinline__ void load(uint32_t rows, uint32_t columns) {
    if constexpr (kNumParts > 1) {
      ptx::load_shared_floats(sfb, columns);
    } else {
      sfb[0] = ptx::load_shared_float(columns);
    }
    sfa[0] = ptx::load_shared_float(rows);
    sfa[1] = ptx::load_shared_float(rows + 32);
  }
};

template <int kN>
class RowFactors {
 public:
  __device__ __forceinline__ void compute(const RowScales<kN>& scales) {
#pragma unroll
    for (int part = 0; part < kNumParts; ++part) {
#pragma unroll
      for (int row = 0; row < 2; ++row) {
        factor_[part][row] = __fmul_rn(scales.sfa[row], scales.sfb[part]);
        asm volatile("" : "+f"(factor_[part][row]));  // computed here and now
      }
    }
  }

  __device__ __forceinline__ void promote(BlockAccumulator<kN>& main_acc,
                                          const BlockAccumulator<kN>& partial_acc) const {
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) main_acc[i] = promoted(main_acc, partial_acc, i);
  }

  // What accumulator i comes to.
  __device__ __forceinline__ float promoted(const BlockAccumulator<kN>& main_acc,
                                            const BlockAccumulator<kN>& partial_acc, int i) const {
    const float factor = factor_[ColumnScales::segment_of_accumulator(i, kN)][i / 2 % 2];
    return __fmaf_rn(factor, partial_acc[i], main_acc[i]);
  }

 private:
  static constexpr int kNumParts = RowScales<kN>::kNumParts;

  float factor_[kNumParts][2];
};

// Where a thread finds what it needs of any stage: with the stage's index known to the compiler,
// all else are constants.
template <Config kConfig>
struct Stages {
  const Pipeline<kConfig>& pipeline;
  uint32_t a_word;  // of the first stage's descriptor, as all below
  uint32_t b_word;
  uint32_t sfa;
  uint32_t sfb;
  ptx::RemoteArrival<kConfig.cluster_size> empty;
  uint32_t zero;

  __device__ __forceinline__ Stages(const Consumer<kConfig>& consumer, const WarpgroupPart& part)
      : pipeline(consumer.pipeline),
        a_word(uniform_word(pipeline.a_tile(0) + part.row_begin * kBlockK)),
        b_word(uniform_word(pipeline.a_tile(0) + kConfig.a_bytes() + part.col_begin * kBlockK)),
        sfb(pipeline.scales(0) + (kConfig.sfb_idx() + part.template first_sfb<kConfig>()) * 4),
        empty(pipeline.empty(0)),
        zero(consumer.params.opaque_zero) {}

  // `first` is the place of the scale of the part's first row among a k-block's.
  __device__ __forceinline__ void turn_to_rows(int first) {
    sfa = pipeline.scales(0) + (first + Consumer<kConfig>::position().m) * 4;
  }

  // Until the stage behind this one, of a round of this parity, is full.
  __device__ __forceinline__ void wait_for_next(int stage_idx, uint32_t parity) const {
    const bool wraps = stage_idx + 1 == kConfig.num_stages;
    ptx::mbarrier_wait(pipeline.full(wraps ? 0 : stage_idx + 1), parity ^ (wraps ? 1 : 0));
  }

  // So that descriptors are computed in uniform registers.
  __device__ __forceinline__ static uint32_t uniform_word(uint32_t smem) {
    return ptx::uniform(ptx::wgmma_descriptor_word(smem));
  }

  // Once per round: without it the compiler computes the descriptors of all stages in front of the
  // loop, which are more than there are uniform registers, and moves them there again and again.
  __device__ __forceinline__ void renew_words() {
    a_word += zero;
    b_word += zero;
  }
};

template <int kN, Config kConfig>
__device__ __forceinline__ RowScales<kN> load_scales(const Stages<kConfig>& stages, int stage_idx) {
  RowScales<kN> scales;
  scales.load(stages.sfa + stage_idx * kConfig.scale_bytes(),
              stages.sfb + stage_idx * kConfig.scale_bytes());
  return scales;
}

// A k-block's products, under way, and the factors of their promotion.
template <Config kConfig, int kN>
struct Products {
  BlockAccumulator<kN> partial_acc;
  RowFactors<kN> factors;

  // The stage is full.
  __device__ __forceinline__ void start(const Stages<kConfig>& stages, int stage_idx) {
    start_products<ptx::Wgmma<kN, kConfig.a_dtype, kConfig.b_dtype>>(
        partial_acc, stages.a_word, stages.b_word, stage_idx * (kConfig.stage_bytes() / 16));
  }

  // Where the scales are known to be those of these rows.
  __device__ __forceinline__ void start_with_factors(const Stages<kConfig>& stages, int stage_idx) {
    const RowScales<kN> scales = load_scales<kN>(stages, stage_idx);
    start(stages, stage_idx);
    factors.compute(scales);
  }

  __device__ __forceinline__ void wait() {
    ptx::wgmma_wait<0>();
    ptx::wgmma_pin(partial_acc);
  }

  // Gives the stage back.
  __device__ __forceinline__ void take(const Stages<kConfig>& stages, int stage_idx) {
    wait();
    stages.empty.arrive(stage_idx * 8);
  }

  __device__ __forceinline__ void finish(BlockAccumulator<kN>& main_acc,
                                         const Stages<kConfig>& stages, int stage_idx) {
    take(stages, stage_idx);
    factors.promote(main_acc, partial_acc);
  }
};

}  // namespace ggfp8::sm90
