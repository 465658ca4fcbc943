// The mainloop: multiplies and promotes the k-blocks of a tile, 64 rows per warpgroup on wgmma's M
// side, and hands the result to an epilogue. A tile has three phases:
//
//   first k-block     starts at once, even before the tile's record is read where a tile of the
//                     same kind came before
//   middle k-blocks   run in rounds of the ring of stages, which are unrolled
//   last k-block      is promoted and stored in one step where the output leaves by TMA store; may
//                     have fewer scale blocks than the others
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_consumer.cuh"
#include "backends/sm90/sm90_epilogue.cuh"
#include "backends/sm90/sm90_k_block.cuh"
#include "backends/sm90/sm90_tma_epilogue.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// Multiplies and promotes scale block `idx` of the k-block in stage stage_idx. is_last: it is the
// k-block's last, after which the stage is empty.
template <Config kConfig, int kN>
__device__ __forceinline__ void run_scale_block(BlockAccumulator<kN>& main_acc,
                                                const StageAddresses<kConfig>& stages,
                                                int stage_idx, int idx, bool is_last) {
  ScaleBlock<kConfig, kN> scale_block;
  scale_block.start_with_factors(stages, stage_idx, idx);
  scale_block.finish(main_acc, stages, stage_idx, is_last);
}

// Multiplies and promotes the scale blocks from kFirst on of a k-block that has all of them,
// unrolled. All scale blocks use the registers of `scale_block`; with a ScaleBlock each, the
// compiler spills.
template <int kFirst, Config kConfig, int kN>
__device__ __forceinline__ void run_scale_blocks(BlockAccumulator<kN>& main_acc,
                                                 const StageAddresses<kConfig>& stages,
                                                 int stage_idx,
                                                 ScaleBlock<kConfig, kN>& scale_block) {
  constexpr int kCount = kConfig.scale_blocks_per_k_block();
#pragma unroll
  for (int i = kFirst; i < kCount; ++i) {
    scale_block.start_with_factors(stages, stage_idx, i);
    scale_block.finish(main_acc, stages, stage_idx, i + 1 == kCount);
  }
}

// Multiplies and promotes one k-block. Precondition: stage stage_idx, in a round of this parity, is
// full. Postcondition: the next stage is full. The compiler hoists that wait above most of the
// promotion.
//
// WGMMA and promotion of one warpgroup do not overlap, so whatever else stands here costs time. The
// warpgroups overlap each other: they fall into step by themselves, and one promotes while the
// tensor cores work for the other, as long as a promotion takes less time than the products.
template <Config kConfig, int kN>
__device__ __forceinline__ void run_k_block(BlockAccumulator<kN>& main_acc,
                                            const StageAddresses<kConfig>& stages, int stage_idx,
                                            uint32_t parity) {
  ScaleBlock<kConfig, kN> scale_block;
  run_scale_blocks<0>(main_acc, stages, stage_idx, scale_block);
  stages.wait_for_next(stage_idx, parity);
}

// Multiplies and promotes a k-block of num_scale_blocks scale blocks in a loop. Precondition and
// postcondition are those of run_k_block(). An unrolled loop makes the compiler spill where neither
// the stage nor the number of scale blocks is a constant.
template <Config kConfig, int kN>
__device__ __forceinline__ void run_any_k_block(BlockAccumulator<kN>& main_acc,
                                                const StageAddresses<kConfig>& stages,
                                                int stage_idx, uint32_t parity,
                                                int num_scale_blocks) {
#pragma unroll 1
  for (int i = 0; i < num_scale_blocks; ++i) {
    run_scale_block<kConfig, kN>(main_acc, stages, stage_idx, i, i + 1 == num_scale_blocks);
  }
  stages.wait_for_next(stage_idx, parity);
}

// Runs the k-blocks in stages kBegin to kEnd - 1 of a round of this parity, unrolled.
template <int kBegin, int kEnd, Config kConfig, int kN>
__device__ __forceinline__ void run_round(BlockAccumulator<kN>& main_acc,
                                          StageAddresses<kConfig>& stages, uint32_t parity) {
#pragma unroll
  for (int i = kBegin; i < kEnd; ++i) run_k_block<kConfig, kN>(main_acc, stages, i, parity);
  stages.renew_words();
}

// Runs the k-blocks in stages begin to end - 1 of a round of this parity, in a loop.
template <Config kConfig, int kN>
__device__ __forceinline__ void run_part_of_round(BlockAccumulator<kN>& main_acc,
                                                  const StageAddresses<kConfig>& stages, int begin,
                                                  int end, uint32_t parity) {
#pragma unroll 1
  for (int i = begin; i < end; ++i) {
    run_any_k_block<kConfig, kN>(main_acc, stages, i, parity, kConfig.scale_blocks_per_k_block());
  }
}

// Runs the middle k-blocks of a tile: all but the first and the last. A round is one pass over the
// ring of stages. Counted from the beginning of the present round, the tile's remaining k-blocks
// are `begin` to end - 1, and k-block end - 1 is the last, which the caller runs.
template <Config kConfig, int kN>
__device__ __forceinline__ void run_middle_k_blocks(BlockAccumulator<kN>& main_acc,
                                                    StageAddresses<kConfig>& stages,
                                                    Consumer<kConfig>& consumer) {
  constexpr int kNumStages = kConfig.num_stages;
  const int begin = static_cast<int>(consumer.pipeline.stage_idx());
  int end = begin + consumer.params.num_k_blocks - 1;
  uint32_t parity = consumer.pipeline.parity();
  if (begin > 0) {
    if (end <= kNumStages) {
      run_part_of_round<kConfig, kN>(main_acc, stages, begin, end - 1, parity);
      consumer.pipeline.move_to(end - 1, parity);
      return;
    }
    if (begin == 1) {
      run_round<1, kNumStages, kConfig, kN>(main_acc, stages, parity);
    } else {
      run_part_of_round<kConfig, kN>(main_acc, stages, begin, kNumStages, parity);
    }
    parity ^= 1;
    end -= kNumStages;
  }
#pragma unroll 1
  for (; end > kNumStages; end -= kNumStages) {
    run_round<0, kNumStages, kConfig, kN>(main_acc, stages, parity);
    parity ^= 1;
  }
  if (end == kNumStages) {
    run_round<0, kNumStages - 1, kConfig, kN>(main_acc, stages, parity);
  } else {
    run_part_of_round<kConfig, kN>(main_acc, stages, 0, end - 1, parity);
  }
  consumer.pipeline.move_to(end - 1, parity);
}

// Runs the k-block at the consumer's position, which has num_scale_blocks: the first of a tile
// whose record is known, or the last of a tile whose accumulators are stored afterwards.
template <Config kConfig, int kN>
__device__ __forceinline__ void run_current_k_block(BlockAccumulator<kN>& main_acc,
                                                    const StageAddresses<kConfig>& stages,
                                                    Consumer<kConfig>& consumer,
                                                    int num_scale_blocks) {
  run_any_k_block<kConfig, kN>(main_acc, stages, static_cast<int>(consumer.pipeline.stage_idx()),
                               consumer.pipeline.parity(), num_scale_blocks);
  consumer.pipeline.advance();
}

// Runs the last k-block of a tile and its epilogue by TMA store: values go into the store boxes as
// promotion yields them. Promotion waits for registers and the stores into boxes wait for shared
// memory, which the tensor cores use first; together they take less time than one after the other.
template <Config kConfig, int kN>
__device__ __forceinline__ void run_last_k_block_into_boxes(BlockAccumulator<kN>& main_acc,
                                                            const StageAddresses<kConfig>& stages,
                                                            Consumer<kConfig>& consumer,
                                                            bool has_full_boxes) {
  const int stage_idx = static_cast<int>(consumer.pipeline.stage_idx());
  const int last_idx = consumer.scale_blocks_of_last() - 1;
#pragma unroll 1
  for (int i = 0; i < last_idx; ++i) {
    run_scale_block<kConfig, kN>(main_acc, stages, stage_idx, i, false);
  }
  ScaleBlock<kConfig, kN> last;
  last.start_with_factors(stages, stage_idx, last_idx);
  consumer.wait_taken();
  last.wait_and_release(stages, stage_idx, true);
  store_through_boxes<kConfig, kN>(
      [&](int i) { return last.factors.promoted(main_acc, last.partial_acc, i); }, consumer,
      has_full_boxes);
  stages.wait_for_next(stage_idx, consumer.pipeline.parity());
  consumer.pipeline.advance();
  ++consumer.tile_idx;
}

// Returns whether this warpgroup has a full-width part of the block.
template <Config kConfig>
__device__ __forceinline__ bool has_full_width(const OutBlock& block) {
  const auto warpgroup = static_cast<int>(Consumer<kConfig>::warpgroup());
  const auto part = WarpgroupPart::make<kConfig>(block, warpgroup);
  return ptx::uniform(static_cast<int>(part.template is_full_width<kConfig>())) != 0;
}

// Runs the first k-block of the tile after another one. The products start before the record is
// read, as the descriptors are those of the tile before if the warpgroup has a full-width part of
// both. Returns false, with the products thrown away, if the part is not full-width or there is no
// further tile.
template <Config kConfig, int kN>
__device__ __forceinline__ bool run_first_k_block_of_next_tile(BlockAccumulator<kN>& main_acc,
                                                               StageAddresses<kConfig>& stages,
                                                               Consumer<kConfig>& consumer,
                                                               const WarpgroupPart& part,
                                                               bool& has_full_boxes) {
  const int stage_idx = static_cast<int>(consumer.pipeline.stage_idx());
  ScaleBlock<kConfig, kN> scale_block;
  scale_block.start(stages, stage_idx, 0);
  __syncwarp();  // or the compiler makes the products wait for the record
  const OutBlock block = consumer.block();
  if (!has_full_width<kConfig>(block)) {
    scale_block.wait();
    return false;
  }
  stages.set_rows(consumer, part, block);
  scale_block.factors.compute(stages.load_scales(stage_idx, 0));
  has_full_boxes = consumer.has_full_boxes(block);
#pragma unroll
  for (int i = 0; i < kN / 2; ++i) main_acc[i] = 0;
  scale_block.finish(main_acc, stages, stage_idx, kConfig.scale_blocks_per_k_block() == 1);
  run_scale_blocks<1>(main_acc, stages, stage_idx, scale_block);
  stages.wait_for_next(stage_idx, consumer.pipeline.parity());
  consumer.pipeline.advance();
  return true;
}

// Computes this warpgroup's part of a tile and, where outputs leave by TMA store, of the tiles
// after it for as long as the warpgroup has a full-width part. Precondition: the first stage is
// full. Postcondition: the first stage of the next tile is full.
template <Config kConfig, int kN>
__device__ __forceinline__ void compute_parts(Consumer<kConfig>& consumer, const OutBlock& first,
                                              const WarpgroupPart& part) {
  StageAddresses<kConfig> stages(consumer, part, first);
  bool has_full_boxes = consumer.has_full_boxes(first);
  BlockAccumulator<kN> main_acc = {};
  const bool has_one_k_block = consumer.params.num_k_blocks == 1;
  run_current_k_block<kConfig, kN>(
      main_acc, stages, consumer,
      has_one_k_block ? consumer.scale_blocks_of_last() : kConfig.scale_blocks_per_k_block());
  for (;;) {
    if (consumer.params.num_k_blocks > 1) {
      run_middle_k_blocks<kConfig, kN>(main_acc, stages, consumer);
    }
    if (!kConfig.tma_store || !consumer.params.tma_store) break;
    run_last_k_block_into_boxes<kConfig, kN>(main_acc, stages, consumer, has_full_boxes);
    if (kN != kConfig.block_n) return;
    if (!run_first_k_block_of_next_tile<kConfig, kN>(main_acc, stages, consumer, part,
                                                     has_full_boxes)) {
      return;
    }
  }
  if (consumer.params.num_k_blocks > 1) {
    run_current_k_block<kConfig, kN>(main_acc, stages, consumer, consumer.scale_blocks_of_last());
  }
  store_directly<kConfig, kN>(main_acc, consumer);
  consumer.finish_tile();
}

// Computes a tile, and maybe tiles after it, with the rows of a on wgmma's M side.
template <Config kConfig>
__device__ __forceinline__ void compute_tiles(Consumer<kConfig>& consumer, const OutBlock& block) {
  const auto part = WarpgroupPart::make<kConfig>(block, consumer.position().warpgroup);
  if (part.num_cols == 0) {
    consumer.skip_tile();
  } else if (part.template is_full_width<kConfig>()) {
    compute_parts<kConfig, kConfig.block_n>(consumer, block, part);
  } else if constexpr (kConfig.column_scales().has_halves) {
    compute_parts<kConfig, kConfig.half_n()>(consumer, block, part);
  }
}

}  // namespace ggfp8::sm90
