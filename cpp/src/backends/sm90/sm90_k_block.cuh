// One scale block of a warpgroup's part of a block: its scales, its products and their promotion
// into float32, main_acc = fma(sfa * sfb, partial_acc, main_acc). A k-block has one or two.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_consumer.cuh"
#include "ptx/smem_load.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// The scales of a scale block that a thread needs: of its two rows, and of the segments of its
// part's columns (sm90_column_scales.h).
template <ColumnScales kLayout>
struct ThreadScales {
  static constexpr int kNumSegments = kLayout.num_segments();
  static constexpr int kGroup = ColumnScales::kSlotsOfGroup;

  static constexpr int kRowStep = 8;  // from the thread's first row to its second

  float sfa[2];
  float sfb[ceil_div(kNumSegments, kGroup)][kGroup];  // of segments, one after the other

  __device__ __forceinline__ float sfb_of(int segment) const {
    return sfb[segment / kGroup][segment % kGroup];
  }

  // Loads from addresses in shared memory, at this place of the instructions.
  __device__ __forceinline__ void load(uint32_t sfa_address, uint32_t sfb_address) {
    if constexpr (kNumSegments > 1) {
#pragma unroll
      for (int i = 0; i < ceil_div(kNumSegments, kGroup); ++i) {
        ptx::load_shared_floats(sfb[i], sfb_address + i * sizeof(sfb[i]));
      }
    } else {
      sfb[0][0] = ptx::load_shared_float(sfb_address);
    }
    sfa[0] = ptx::load_shared_float(sfa_address);
    sfa[1] = ptx::load_shared_float(sfa_address + kRowStep * sizeof(float));
  }

  // Loads the scales of a row and its second row from a scale block's scales in shared memory. The
  // compiler chooses the place of the loads. Precondition: all columns have one scale.
  template <class Scales>
  __device__ __forceinline__ void load(const Scales& scales, int row) {
    static_assert(kNumSegments == 1);
    sfa[0] = scales.sfa[row];
    sfa[1] = scales.sfa[row + kRowStep];
    sfb[0][0] = scales.sfb[0];
  }
};

// The factors sfa * sfb of a scale block, which are computed while its products run.
template <ColumnScales kLayout, int kN>
class PromotionFactors {
 public:
  __device__ __forceinline__ void compute(const ThreadScales<kLayout>& scales) {
#pragma unroll
    for (int segment = 0; segment < kNumSegments; ++segment) {
#pragma unroll
      for (int row = 0; row < 2; ++row) {
        factor_[segment][row] = __fmul_rn(scales.sfa[row], scales.sfb_of(segment));
        asm volatile("" : "+f"(factor_[segment][row]));  // keeps the product here, ahead of its use
      }
    }
  }

  __device__ __forceinline__ void promote(BlockAccumulator<kN>& main_acc,
                                          const BlockAccumulator<kN>& partial_acc) const {
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) main_acc[i] = promoted(main_acc, partial_acc, i);
  }

  // Returns the value of accumulator i after promotion.
  __device__ __forceinline__ float promoted(const BlockAccumulator<kN>& main_acc,
                                            const BlockAccumulator<kN>& partial_acc, int i) const {
    return __fmaf_rn(factor_[kLayout.segment_of_accumulator(i, kN)][i / 2 % 2], partial_acc[i],
                     main_acc[i]);
  }

 private:
  static constexpr int kNumSegments = kLayout.num_segments();

  float factor_[kNumSegments][2];
};

// Addresses of what a thread needs of stage 0. For another stage, or another scale block of its
// k-block, the compiler adds a constant where it knows the index.
template <Config kConfig>
struct StageAddresses {
  static constexpr int kFloatBytes = sizeof(float);
  static constexpr int kScalesBytes = sizeof(typename AsyncStorage<kConfig>::Scales);
  static constexpr int kStageScalesBytes = kScalesBytes * kConfig.scale_blocks_per_stage();

  const Pipeline<kConfig>& pipeline;
  uint32_t a_word;  // lower word of the descriptor
  uint32_t b_word;
  uint32_t sfa;
  uint32_t sfb;
  ptx::RemoteArrival<kConfig.cluster_size> empty;
  uint32_t opaque_zero;

  __device__ __forceinline__ StageAddresses(const Consumer<kConfig>& consumer,
                                            const WarpgroupPart& part, const OutBlock& block)
      : pipeline(consumer.pipeline),
        a_word(uniform_word(pipeline.a(0) + part.row_begin * kBlockK)),
        b_word(uniform_word(pipeline.b(0) + part.col_begin * kBlockK)),
        sfb(pipeline.sfb(0) + part.template first_sfb<kConfig>() * kFloatBytes),
        empty(pipeline.empty(0)),
        opaque_zero(consumer.params.opaque_zero) {
    set_rows(consumer, part, block);
  }

  // Turns to the rows of another tile, of which the warpgroup has the same part.
  __device__ __forceinline__ void set_rows(const Consumer<kConfig>& consumer,
                                           const WarpgroupPart& part, const OutBlock& block) {
    const int first_sfa = consumer.first_sfa(block) + part.row_begin;
    sfa = pipeline.sfa(0) + (first_sfa + consumer.position().m) * kFloatBytes;
  }

  // Waits until the stage after this one, in a round of this parity, is full.
  __device__ __forceinline__ void wait_for_next(int stage_idx, uint32_t parity) const {
    const bool wraps = stage_idx + 1 == kConfig.num_stages;
    ptx::mbarrier_wait(pipeline.full(wraps ? 0 : stage_idx + 1), parity ^ (wraps ? 1 : 0));
  }

  // Makes the compiler compute the descriptors anew, once per round. It would otherwise compute the
  // descriptors of all stages before the loop, which are more than there are uniform registers, and
  // move each of them into a uniform register for every use.
  __device__ __forceinline__ void renew_words() {
    a_word += opaque_zero;
    b_word += opaque_zero;
  }

  __device__ __forceinline__ ThreadScales<kConfig.column_scales()> load_scales(
      int stage_idx, int scale_block) const {
    const int offset = stage_idx * kStageScalesBytes + scale_block * kScalesBytes;
    ThreadScales<kConfig.column_scales()> scales;
    scales.load(sfa + offset, sfb + offset);
    return scales;
  }

 private:
  // Lets the compiler compute descriptors in uniform registers.
  __device__ __forceinline__ static uint32_t uniform_word(uint32_t smem) {
    return ptx::uniform(ptx::wgmma_descriptor_word(smem));
  }
};

// The products of a scale block, which are under way, and the factors of their promotion.
// Functions take the index of the stage, and of the scale block in its k-block.
template <Config kConfig, int kN>
struct ScaleBlock {
  BlockAccumulator<kN> partial_acc;
  PromotionFactors<kConfig.column_scales(), kN> factors;

  // Starts the products. Precondition: the stage is full.
  __device__ __forceinline__ void start(const StageAddresses<kConfig>& stages, int stage_idx,
                                        int scale_block) {
    constexpr int kStageBytes = sizeof(typename AsyncStorage<kConfig>::Stage);
    constexpr int kScaleK = kConfig.scale_k;
    start_products<ptx::Wgmma<kN, kConfig.a_dtype, kConfig.b_dtype>, kScaleK>(
        partial_acc, stages.a_word, stages.b_word,
        stage_idx * (kStageBytes / 16) + scale_block * (kScaleK / 16));
  }

  // Starts the products and computes the factors while they run. Precondition: the stage is full,
  // and stages.sfa is that of its tile.
  __device__ __forceinline__ void start_with_factors(const StageAddresses<kConfig>& stages,
                                                     int stage_idx, int scale_block) {
    const ThreadScales<kConfig.column_scales()> scales = stages.load_scales(stage_idx, scale_block);
    start(stages, stage_idx, scale_block);
    factors.compute(scales);
  }

  __device__ __forceinline__ void wait() {
    ptx::wgmma_wait<0>();
    ptx::wgmma_pin(partial_acc);
  }

  // Waits for the products and, if they are the last of the stage, signals it empty.
  __device__ __forceinline__ void wait_and_release(const StageAddresses<kConfig>& stages,
                                                   int stage_idx, bool is_last) {
    wait();
    if (is_last) stages.empty.arrive(stage_idx * 8);
  }

  __device__ __forceinline__ void finish(BlockAccumulator<kN>& main_acc,
                                         const StageAddresses<kConfig>& stages, int stage_idx,
                                         bool is_last) {
    wait_and_release(stages, stage_idx, is_last);
    factors.promote(main_acc, partial_acc);
  }
};

}  // namespace ggfp8::sm90
