// The mainloop of tiles of few rows: the 128 columns on wgmma's M side, 64 per warpgroup, and on
// its N side as few rows as hold the tile's. A third warpgroup has no part of them.
//
// Per k-block: four wgmma from zero, then promotion into float32, main_acc =
// fma(sfa * sfb, partial_acc, main_acc).
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_consumer.cuh"
#include "backends/sm90/sm90_epilogue.cuh"

namespace ggfp8::sm90 {

template <Config kConfig, int kN>
__device__ __forceinline__ void start_columns(BlockAccumulator<kN>& partial_acc,
                                              const Pipeline<kConfig>& stage, int warpgroup) {
  start_products<ptx::Wgmma<kN, kConfig.b_dtype, kConfig.a_dtype>>(
      partial_acc, ptx::wgmma_descriptor_word(stage.b_tile() + warpgroup * 64 * kBlockK),
      ptx::wgmma_descriptor_word(stage.a_tile()), 0);
}

// The products sfa * sfb of the rows of a thread's accumulators, in pairs.
template <int kN>
struct ColumnFactors {
  float factor[kN / 8][2];

  // `sfa` are the scales of the tile's rows.
  __device__ __forceinline__ ColumnFactors(const float* sfa, float sfb, int first_row) {
#pragma unroll
    for (int j = 0; j < kN / 8; ++j) {
      factor[j][0] = __fmul_rn(sfa[first_row + j * 8], sfb);
      factor[j][1] = __fmul_rn(sfa[first_row + j * 8 + 1], sfb);
    }
  }

  __device__ __forceinline__ void promote(BlockAccumulator<kN>& main_acc,
                                          const BlockAccumulator<kN>& partial_acc) const {
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) {
      main_acc[i] = __fmaf_rn(factor[i / 4][i % 2], partial_acc[i], main_acc[i]);
    }
  }
};

// All k-blocks of a tile, with wgmma's N as given. The scales are read while the products are under
// way.
template <Config kConfig, int kN>
__device__ __forceinline__ void accumulate_columns(BlockAccumulator<kN>& main_acc,
                                                   Consumer<kConfig>& consumer, int first_sfa) {
  Pipeline<kConfig> pipeline = consumer.pipeline;
  pipeline.make_uniform();
  const ThreadPosition position = consumer.position();
  const int num_k_blocks = consumer.params.num_k_blocks;
#pragma unroll 1
  for (int k_block_idx = 0; k_block_idx < num_k_blocks; ++k_block_idx) {
    pipeline.wait_full();
    const Pipeline<kConfig> stage = pipeline;
    pipeline.advance();
    BlockAccumulator<kN> partial_acc;
    start_columns<kConfig, kN>(partial_acc, stage, position.warpgroup);
    const float* scales = stage.scales();
    const ColumnFactors<kN> factors(scales, scales[kConfig.sfb_idx()], first_sfa + position.n);
    ptx::wgmma_wait<0>();
    ptx::wgmma_pin(partial_acc);
    stage.signal_empty();
    factors.promote(main_acc, partial_acc);
  }
  consumer.pipeline = pipeline;
}

template <Config kConfig, int kN>
__device__ __forceinline__ void compute_with(Consumer<kConfig>& consumer, const OutBlock& tile) {
  BlockAccumulator<kN> main_acc = {};
  accumulate_columns<kConfig, kN>(main_acc, consumer, consumer.first_sfa(tile));
  store_columns<kN>(main_acc, consumer.position(), consumer.tile(), consumer.params);
  consumer.pass_boxes();
  ++consumer.tile_idx;
}

template <Config kConfig>
__device__ __forceinline__ void compute_columns(Consumer<kConfig>& consumer, const OutBlock& tile) {
  static_assert(kConfig.max_swapped_rows == 32 && kConfig.multicast != Multicast::kB &&
                !kConfig.tma_store);
  static_assert(kConfig.block_n <= kConfig.num_consumers * 64);
  if (consumer.position().warpgroup * 64 >= kConfig.block_n) {
    consumer.skip_tile();
  } else if (tile.num_rows <= 16) {
    compute_with<kConfig, 16>(consumer, tile);
  } else {
    compute_with<kConfig, 32>(consumer, tile);
  }
}

}  // namespace ggfp8::sm90
