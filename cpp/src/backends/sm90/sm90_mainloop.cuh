// The mainloop of tiles of more rows: they are on wgmma's M side, 64 per warpgroup, and columns on
// the N side.
//
// Per k-block: four wgmma from zero, then promotion into float32, main_acc =
// fma(sfa * sfb, partial_acc, main_acc). The tensor cores work for the other warpgroup meanwhile.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_consumer.cuh"
#include "backends/sm90/sm90_epilogue.cuh"
#include "backends/sm90/sm90_k_block.cuh"
#include "backends/sm90/sm90_tma_epilogue.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// A k-block whose stage, of a round of this parity, is full; behind it the next stage is, too. The
// compiler moves that question in front of most of the promotion. A warpgroup's products and their
// promotion take turns, and whatever else stands between them is lost. Two warpgroups fall into
// step by themselves, one promotes while the tensor cores work for the other, as long as a
// promotion takes less time than products.
template <Config kConfig, int kN>
__device__ __forceinline__ void multiply_k_block(BlockAccumulator<kN>& main_acc,
                                                 const Stages<kConfig>& stages, int stage_idx,
                                                 uint32_t parity) {
  Products<kConfig, kN> products;
  products.start_with_factors(stages, stage_idx);
  products.finish(main_acc, stages, stage_idx);
  stages.wait_for_next(stage_idx, parity);
}

// Of a round of the ring of stages, of this parity, the stages from kBegin to kEnd.
template <int kBegin, int kEnd, Config kConfig, int kN>
__device__ __forceinline__ void multiply_round(BlockAccumulator<kN>& main_acc,
                                               Stages<kConfig>& stages, uint32_t parity) {
#pragma unroll
  for (int i = kBegin; i < kEnd; ++i) {
    multiply_k_block<kConfig, kN>(main_acc, stages, i, parity);
  }
  stages.renew_words();
}

template <Config kConfig, int kN>
__device__ __forceinline__ void multiply_some(BlockAccumulator<kN>& main_acc,
                                              const Stages<kConfig>& stages, int begin, int end,
                                              uint32_t parity) {
#pragma unroll 1
  for (int i = begin; i < end; ++i) {
    multiply_k_block<kConfig, kN>(main_acc, stages, i, parity);
  }
}

// All k-blocks of a tile between the first and the last. They are counted from where a round of the
// ring of stages begins, and rounds are unrolled.
template <Config kConfig, int kN>
__device__ __forceinline__ void accumulate_rows(BlockAccumulator<kN>& main_acc,
                                                Stages<kConfig>& stages,
                                                Consumer<kConfig>& consumer) {
  constexpr int kNumStages = kConfig.num_stages;
  const int begin = static_cast<int>(consumer.pipeline.stage_idx());
  int end = begin + consumer.params.num_k_blocks - 1;  // the last k-block included
  uint32_t parity = consumer.pipeline.parity();
  if (begin > 0) {
    if (end <= kNumStages) {
      multiply_some<kConfig, kN>(main_acc, stages, begin, end - 1, parity);
      consumer.pipeline.move_to(end - 1, parity);
      return;
    }
    if (begin == 1) {
      multiply_round<1, kNumStages, kConfig, kN>(main_acc, stages, parity);
    } else {
      multiply_some<kConfig, kN>(main_acc, stages, begin, kNumStages, parity);
    }
    parity ^= 1;
    end -= kNumStages;
  }
#pragma unroll 1
  for (; end > kNumStages; end -= kNumStages) {
    multiply_round<0, kNumStages, kConfig, kN>(main_acc, stages, parity);
    parity ^= 1;
  }
  if (end == kNumStages) {
    multiply_round<0, kNumStages - 1, kConfig, kN>(main_acc, stages, parity);
  } else {
    multiply_some<kConfig, kN>(main_acc, stages, 0, end - 1, parity);
  }
  consumer.pipeline.move_to(end - 1, parity);
}

// The k-block at hand, and on to the next.
template <Config kConfig, int kN>
__device__ __forceinline__ void multiply_one(BlockAccumulator<kN>& main_acc,
                                             const Stages<kConfig>& stages,
                                             Consumer<kConfig>& consumer) {
  multiply_k_block<kConfig, kN>(main_acc, stages, static_cast<int>(consumer.pipeline.stage_idx()),
                                consumer.pipeline.parity());
  consumer.pipeline.advance();
}

// The last k-block of a tile whose rows leave in boxes: what its promotion comes to is rounded and
// put into boxes at once. Promotion waits for registers and boxes wait for shared memory, which the
// tensor cores use first; together they take less time than one behind the other.
template <Config kConfig, int kN>
__device__ __forceinline__ void multiply_last(const BlockAccumulator<kN>& main_acc,
                                              const Stages<kConfig>& stages,
                                              Consumer<kConfig>& consumer, bool is_whole) {
  const int stage_idx = static_cast<int>(consumer.pipeline.stage_idx());
  Products<kConfig, kN> products;
  products.start_with_factors(stages, stage_idx);
  consumer.wait_for_boxes();
  products.take(stages, stage_idx);
  store_rows_in_boxes<kConfig, kN>(
      [&](int i) { return products.factors.promoted(main_acc, products.partial_acc, i); }, consumer,
      is_whole);
  stages.wait_for_next(stage_idx, consumer.pipeline.parity());
  consumer.pipeline.advance();
  ++consumer.tile_idx;
}

// Whether this warpgroup's part of the tile is wide.
template <Config kConfig>
__device__ __forceinline__ bool is_full_width(const OutBlock& tile) {
  const auto warpgroup = static_cast<int>(Consumer<kConfig>::warpgroup());
  const auto part = WarpgroupPart::make<kConfig>(tile, warpgroup);
  return ptx::uniform(static_cast<int>(part.template is_full_width<kConfig>())) != 0;
}

// The first k-block of the tile at hand, right behind another one. Its products start before it is
// known which tile it is. If the warpgroup's part is not wide, or if there is no tile, they were
// for nothing, and the result is false.
template <Config kConfig, int kN>
__device__ __forceinline__ bool multiply_next_first(BlockAccumulator<kN>& main_acc,
                                                    Stages<kConfig>& stages,
                                                    Consumer<kConfig>& consumer,
                                                    const WarpgroupPart& part, bool& is_whole) {
  const int stage_idx = static_cast<int>(consumer.pipeline.stage_idx());
  Products<kConfig, kN> products;
  products.start(stages, stage_idx);
  __syncwarp();  // or the compiler lets products wait for what is read here
  const OutBlock tile = consumer.tile();
  if (!is_full_width<kConfig>(tile)) {
    products.wait();
    return false;
  }
  stages.turn_to_rows(consumer.first_sfa(tile) + part.row_begin);
  products.factors.compute(load_scales<kN>(stages, stage_idx));
  is_whole = consumer.has_whole_box(tile);
#pragma unroll
  for (int i = 0; i < kN / 2; ++i) main_acc[i] = 0;
  products.finish(main_acc, stages, stage_idx);
  stages.wait_for_next(stage_idx, consumer.pipeline.parity());
  consumer.pipeline.advance();
  return true;
}

// The tile at hand, and if its rows leave in boxes those behind it, as long as the warpgroup's part
// of each is wide.
template <Config kConfig, int kN>
__device__ __forceinline__ void compute_parts(Consumer<kConfig>& consumer, const OutBlock& first,
                                              const WarpgroupPart& part) {
  Stages<kConfig> stages(consumer, part);
  stages.turn_to_rows(consumer.first_sfa(first) + part.row_begin);
  bool is_whole = consumer.has_whole_box(first);
  BlockAccumulator<kN> main_acc = {};
  multiply_one<kConfig, kN>(main_acc, stages, consumer);
  for (;;) {
    if (consumer.params.num_k_blocks > 1) accumulate_rows<kConfig, kN>(main_acc, stages, consumer);
    if (!kConfig.tma_store || !consumer.params.tma_store) break;
    multiply_last<kConfig, kN>(main_acc, stages, consumer, is_whole);
    if (kN != kConfig.block_n) return;
    if (!multiply_next_first<kConfig, kN>(main_acc, stages, consumer, part, is_whole)) return;
  }
  if (consumer.params.num_k_blocks > 1) multiply_one<kConfig, kN>(main_acc, stages, consumer);
  store_rows_directly<kConfig, kN>(main_acc, consumer);
  ++consumer.tile_idx;
}

template <Config kConfig>
__device__ __forceinline__ void compute_rows(Consumer<kConfig>& consumer, const OutBlock& tile) {
  const auto part = WarpgroupPart::make<kConfig>(tile, consumer.position().warpgroup);
  if (part.num_cols == 0) {
    consumer.skip_tile();
  } else if (part.template is_full_width<kConfig>()) {
    compute_parts<kConfig, kConfig.block_n>(consumer, tile, part);
  } else if constexpr (kConfig.multicast == Multicast::kB) {
    compute_parts<kConfig, kConfig.half_n()>(consumer, tile, part);
  }
}

}  // namespace ggfp8::sm90
