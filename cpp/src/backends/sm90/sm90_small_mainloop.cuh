// The mainloop of small blocks, which one warpgroup computes: 64 rows of a on wgmma's M side.
//
// A stage has several k-blocks. The products of all their scale blocks are started before the first
// is promoted, so that the latency of wgmma, of barriers and of scales counts once per stage: a
// k-block of a small block has so few products that the latency would count most.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_consumer.cuh"
#include "backends/sm90/sm90_deep_loads.cuh"
#include "backends/sm90/sm90_k_block.cuh"
#include "backends/sm90/sm90_small_epilogue.cuh"

namespace ggfp8::sm90 {

// Starts a thread's products of a stage and finds its factors.
template <Config kConfig>
class StageReader {
 public:
  static constexpr int kN = kConfig.block_n;
  using Factors = PromotionFactors<kConfig.column_scales(), kN>;

  __device__ __forceinline__ explicit StageReader(const Consumer<kConfig>& consumer)
      : row_(consumer.position().m) {}

  // Starts the products of a scale block of a stage that is full.
  __device__ __forceinline__ void start(BlockAccumulator<kN>& partial_acc,
                                        const Pipeline<kConfig>& stage, int scale_block) const {
    constexpr int kScaleK = kConfig.scale_k;
    const int k_block = scale_block / kConfig.scale_blocks_per_k_block();
    start_products<ptx::Wgmma<kN, kConfig.a_dtype, kConfig.b_dtype>, kScaleK,
                   kRowGroupBytes<kConfig>>(
        partial_acc, ptx::wgmma_descriptor_word(stage.a()) + k_block * (kConfig.a_box_bytes() / 16),
        ptx::wgmma_descriptor_word(stage.b()) + k_block * (kConfig.b_bytes() / 16),
        scale_block % kConfig.scale_blocks_per_k_block() * (kScaleK / 16));
  }

  // Returns the factors of the promotion of a scale block.
  __device__ __forceinline__ Factors factors(const Pipeline<kConfig>& stage,
                                             int scale_block) const {
    using Scales = typename AsyncStorage<kConfig>::Scales;
    ThreadScales<kConfig.column_scales()> scales;
    scales.load(reinterpret_cast<const Scales*>(stage.scales())[scale_block], row_);
    Factors factors;
    factors.compute(scales);
    return factors;
  }

 private:
  int row_;  // the thread's first row of the block
};

// Waits for the products of scale blocks kIdx to kCount - 1 of a stage and promotes each of them.
// Signals the stage empty when all of them are complete.
template <int kIdx, Config kConfig, int kN, class Factors, int kCount>
__device__ __forceinline__ void promote_in_turn(BlockAccumulator<kN>& main_acc,
                                                BlockAccumulator<kN> (&partial_acc)[kCount],
                                                const Factors (&factors)[kCount],
                                                const Pipeline<kConfig>& stage) {
  if constexpr (kIdx < kCount) {
    ptx::wgmma_wait<kCount - 1 - kIdx>();
    ptx::wgmma_pin(partial_acc[kIdx]);
    if constexpr (kIdx == kCount - 1) stage.signal_empty();
    factors[kIdx].promote(main_acc, partial_acc[kIdx]);
    promote_in_turn<kIdx + 1, kConfig, kN>(main_acc, partial_acc, factors, stage);
  }
}

// Multiplies and promotes the kCount scale blocks of a stage that is full.
template <int kCount, Config kConfig, int kN>
__device__ __forceinline__ void run_stage(BlockAccumulator<kN>& main_acc,
                                          const Pipeline<kConfig>& stage,
                                          const StageReader<kConfig>& reader) {
  static_assert(kCount <= 8);  // wgmma_wait() takes up to 7
  BlockAccumulator<kN> partial_acc[kCount];
  typename StageReader<kConfig>::Factors factors[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) reader.start(partial_acc[i], stage, i);
#pragma unroll
  for (int i = 0; i < kCount; ++i) factors[i] = reader.factors(stage, i);
  promote_in_turn<0, kConfig, kN>(main_acc, partial_acc, factors, stage);
}

// Runs a tile's last stage, which has 1 to kMaxCount scale blocks.
template <int kMaxCount, Config kConfig, int kN>
__device__ __forceinline__ void run_last_stage(BlockAccumulator<kN>& main_acc,
                                               const Pipeline<kConfig>& stage,
                                               const StageReader<kConfig>& reader,
                                               int num_scale_blocks) {
  if (kMaxCount == 1 || num_scale_blocks == kMaxCount) {
    run_stage<kMaxCount, kConfig, kN>(main_acc, stage, reader);
  } else if constexpr (kMaxCount > 1) {
    run_last_stage<kMaxCount - 1, kConfig, kN>(main_acc, stage, reader, num_scale_blocks);
  }
}

// Runs all k-blocks of a tile.
template <Config kConfig, int kN>
__device__ __forceinline__ void run_stages(BlockAccumulator<kN>& main_acc,
                                           Consumer<kConfig>& consumer,
                                           const StageReader<kConfig>& reader) {
  constexpr int kPerStage = kConfig.scale_blocks_per_stage();
  Pipeline<kConfig> pipeline = consumer.pipeline;
  pipeline.make_uniform();
  int num_left = consumer.params.num_scale_blocks;
#pragma unroll 1
  for (; num_left >= kPerStage; num_left -= kPerStage) {
    pipeline.wait_full();
    run_stage<kPerStage, kConfig, kN>(main_acc, pipeline, reader);
    pipeline.advance();
  }
  if (num_left > 0) {
    pipeline.wait_full();
    run_last_stage<kPerStage - 1, kConfig, kN>(main_acc, pipeline, reader, num_left);
    pipeline.advance();
  }
  consumer.pipeline = pipeline;
}

// Computes a tile of a small block.
template <Config kConfig>
__device__ __forceinline__ void compute_small_tile(Consumer<kConfig>& consumer,
                                                   const CtaTile& tile) {
  static_assert(kConfig.num_consumers == 1 && kConfig.block_m == 64);
  static_assert(kConfig.max_swapped_rows == 0 && !kConfig.tma_store);
  static_assert(kConfig.column_scales().num_segments() == 1 && kLeastScaleN % kConfig.block_n == 0);
  constexpr int kN = kConfig.block_n;
  const SmallOut<kConfig> out(consumer, tile);
  BlockAccumulator<kN> main_acc = {};
  run_stages<kConfig, kN>(main_acc, consumer, StageReader<kConfig>(consumer));
  out.store(main_acc, consumer.params);
}

// Runs the consumer warpgroup of small blocks.
template <Config kConfig>
__device__ __forceinline__ void run_small_consumer(Consumer<kConfig> consumer) {
  for (;; ++consumer.tile_idx) {
    const CtaTile tile = consumer.ring.wait(consumer.tile_idx);
    if (tile.num_rows == 0) return;
    compute_small_tile(consumer, tile);
    if (tile.is_last) return;
  }
}

}  // namespace ggfp8::sm90
