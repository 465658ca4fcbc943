// The mainloop with swapped operands, for tiles of few rows: the columns of b stand on wgmma's M
// side, 64 per warpgroup, and 16 or 32 rows of a on the N side. The third warpgroup of 192x128
// has no part.
//
// Per k-block: four wgmma from zero, then promotion into float32, main_acc = fma(sfa * sfb,
// partial_acc, main_acc).
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_consumer.cuh"
#include "backends/sm90/sm90_epilogue.cuh"

namespace ggfp8::sm90 {

template <Config kConfig, int kN>
__device__ __forceinline__ void start_swapped(BlockAccumulator<kN>& partial_acc,
                                              const Pipeline<kConfig>& stage, int warpgroup) {
  start_products<ptx::Wgmma<kN, kConfig.b_dtype, kConfig.a_dtype>>(
      partial_acc, ptx::wgmma_descriptor_word(stage.b() + warpgroup * 64 * kBlockK),
      ptx::wgmma_descriptor_word(stage.a()), 0);
}

// The products sfa * sfb of the rows of a thread's accumulators, in pairs.
template <int kN>
struct SwappedFactors {
  float factor[kN / 8][2];

  // `sfa` points to the scales of rows, of which first_sfa is that of the thread's first row.
  __device__ __forceinline__ SwappedFactors(const float* sfa, float sfb, int first_sfa) {
#pragma unroll
    for (int j = 0; j < kN / 8; ++j) {
      factor[j][0] = __fmul_rn(sfa[first_sfa + j * 8], sfb);
      factor[j][1] = __fmul_rn(sfa[first_sfa + j * 8 + 1], sfb);
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

// Runs all k-blocks of a tile. The scales are read while the products run.
template <Config kConfig, int kN>
__device__ __forceinline__ void run_swapped_k_blocks(BlockAccumulator<kN>& main_acc,
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
    start_swapped<kConfig, kN>(partial_acc, stage, position.warpgroup);
    const float* scales = stage.scales();
    const SwappedFactors<kN> factors(scales, scales[AsyncStorage<kConfig>::kSfbIdx],
                                     first_sfa + position.n);
    ptx::wgmma_wait<0>();
    ptx::wgmma_pin(partial_acc);
    stage.signal_empty();
    factors.promote(main_acc, partial_acc);
  }
  consumer.pipeline = pipeline;
}

template <Config kConfig, int kN>
__device__ __forceinline__ void compute_swapped_with(Consumer<kConfig>& consumer,
                                                     const OutBlock& block) {
  BlockAccumulator<kN> main_acc = {};
  run_swapped_k_blocks<kConfig, kN>(main_acc, consumer, consumer.first_sfa(block));
  store_swapped<kConfig, kN>(main_acc, consumer);
  consumer.finish_tile();
}

// Computes a tile with swapped operands.
template <Config kConfig>
__device__ __forceinline__ void compute_swapped_tile(Consumer<kConfig>& consumer,
                                                     const OutBlock& block) {
  static_assert(kConfig.max_swapped_rows == 32 && !kConfig.tma_store);
  static_assert(kConfig.column_scales().num_segments() == 1);
  static_assert(kConfig.block_n <= kConfig.num_consumers * 64);
  if (consumer.position().warpgroup * 64 >= kConfig.block_n) {
    consumer.skip_tile();
  } else if (block.num_rows <= 16) {
    compute_swapped_with<kConfig, 16>(consumer, block);
  } else {
    compute_swapped_with<kConfig, 32>(consumer, block);
  }
}

}  // namespace ggfp8::sm90
