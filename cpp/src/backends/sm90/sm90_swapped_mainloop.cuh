// The mainloop with swapped operands, for tiles of few rows: the columns of b stand on wgmma's M
// side, 64 per warpgroup, and 16 or 32 rows of a on the N side. The third warpgroup of 192x128
// has no part.
//
// Per scale block: wgmma from zero, then promotion into float32, main_acc = fma(sfa * sfb,
// partial_acc, main_acc). The wgmma of a k-block's scale blocks start together.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_consumer.cuh"
#include "backends/sm90/sm90_epilogue.cuh"

namespace ggfp8::sm90 {

template <Config kConfig, int kN>
__device__ __forceinline__ void start_swapped(BlockAccumulator<kN>& partial_acc,
                                              const Pipeline<kConfig>& stage, int warpgroup,
                                              int scale_block) {
  start_products<ptx::Wgmma<kN, kConfig.b_dtype, kConfig.a_dtype>, kConfig.scale_k>(
      partial_acc, ptx::wgmma_descriptor_word(stage.b() + warpgroup * 64 * kBlockK),
      ptx::wgmma_descriptor_word(stage.a()), scale_block * (kConfig.scale_k / 16));
}

// The products sfa * sfb of the rows of a thread's accumulators, in pairs.
template <int kN>
struct SwappedFactors {
  float factor[kN / 8][2];

  // `sfa` points to the scales of rows, of which first_sfa is that of the thread's first row.
  __device__ __forceinline__ void compute(const float* sfa, float sfb, int first_sfa) {
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

// Runs all k-blocks of a tile. The scales are read while the products run. A last scale block that
// does not exist is multiplied, too, and not promoted: TMA filled its k with zeros.
template <Config kConfig, int kN>
__device__ __forceinline__ void run_swapped_k_blocks(BlockAccumulator<kN>& main_acc,
                                                     Consumer<kConfig>& consumer, int first_sfa) {
  using Storage = AsyncStorage<kConfig>;
  constexpr int kCount = kConfig.scale_blocks_per_k_block();
  Pipeline<kConfig> pipeline = consumer.pipeline;
  pipeline.make_uniform();
  const ThreadPosition position = consumer.position();
  const int num_k_blocks = consumer.params.num_k_blocks;
#pragma unroll 1
  for (int k_block_idx = 0; k_block_idx < num_k_blocks; ++k_block_idx) {
    pipeline.wait_full();
    const Pipeline<kConfig> stage = pipeline;
    pipeline.advance();
    BlockAccumulator<kN> partial_acc[kCount];
    SwappedFactors<kN> factors[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      start_swapped<kConfig, kN>(partial_acc[i], stage, position.warpgroup, i);
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float* scales = stage.scales() + i * (sizeof(typename Storage::Scales) / sizeof(float));
      factors[i].compute(scales, scales[Storage::kSfbIdx + position.warpgroup],
                         first_sfa + position.n);
    }
    ptx::wgmma_wait<0>();
#pragma unroll
    for (int i = 0; i < kCount; ++i) ptx::wgmma_pin(partial_acc[i]);
    stage.signal_empty();
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (i > 0 && k_block_idx * kCount + i >= consumer.params.num_scale_blocks) break;
      factors[i].promote(main_acc, partial_acc[i]);
    }
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
  static_assert(kConfig.block_n <= kConfig.num_consumers * 64);
  static_assert(kConfig.column_scales().num_segments() * 64 == kConfig.block_n);
  if (consumer.position().warpgroup * 64 >= kConfig.block_n) {
    consumer.skip_tile();
  } else if (block.num_rows <= 16) {
    compute_swapped_with<kConfig, 16>(consumer, block);
  } else {
    compute_swapped_with<kConfig, 32>(consumer, block);
  }
}

}  // namespace ggfp8::sm90
