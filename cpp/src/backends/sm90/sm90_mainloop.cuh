// The arithmetic of one tile for one consumer warpgroup. Per k-block: four wgmma from zero, then
// promotion into float32, main_acc = fma(sfa * sfb, partial_acc, main_acc).
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_pipeline.cuh"
#include "ptx/wgmma.cuh"

namespace ggfp8::sm90 {

// The accumulators of a thread for one block: 64 x N over 128 threads.
template <int kN>
using BlockAccumulator = float[kN / 2];

// Position of a thread in its warpgroup's 64 x N result: `m` of its first row (the second is 8
// further) and `n` of its first pair of columns (the next is 8 further).
struct ThreadPosition {
  int warpgroup;
  int m;
  int n;

  __device__ __forceinline__ ThreadPosition()
      : warpgroup(__shfl_sync(0xFFFFFFFFu, static_cast<int>(threadIdx.x) / 128, 0)),
        m(warpgroup * 64 + static_cast<int>(threadIdx.x) % 128 / 32 * 16 +
          static_cast<int>(threadIdx.x) % 32 / 4),
        n(static_cast<int>(threadIdx.x) % 4 * 2) {}
};

// Starts the products of a block; partial_acc is complete behind wgmma_wait<0>().
template <Config kConfig, int kN>
__device__ __forceinline__ void start_products(BlockAccumulator<kN>& partial_acc,
                                               const TilePipeline<kConfig>& stage, int m_begin) {
  constexpr Dtype kTypeM = kConfig.swapped ? kConfig.b_dtype : kConfig.a_dtype;
  constexpr Dtype kTypeN = kConfig.swapped ? kConfig.a_dtype : kConfig.b_dtype;
  const uint32_t m_tile = kConfig.swapped ? stage.b_tile() : stage.a_tile();
  const uint32_t n_tile = kConfig.swapped ? stage.a_tile() : stage.b_tile();
  const uint64_t m_descriptor = ptx::wgmma_descriptor(m_tile + m_begin * kTileK);
  const uint64_t n_descriptor = ptx::wgmma_descriptor(n_tile);
  ptx::wgmma_pin(partial_acc);
  ptx::wgmma_fence();
#pragma unroll
  for (int step = 0; step < kTileK / 32; ++step) {
    // Addresses in descriptors count 16 bytes: 32 k are two of them.
    ptx::Wgmma<kN, kTypeM, kTypeN>::multiply(partial_acc, m_descriptor + step * 2,
                                             n_descriptor + step * 2, step);
  }
  ptx::wgmma_commit();
  ptx::wgmma_pin(partial_acc);
}

// The products sfa * sfb of a thread's accumulators: one per pair of columns of the result and row
// in it where rows stand on the N side, else one per row.
template <Config kConfig, int kN>
struct BlockScales {
  static constexpr int kNumPairs = kConfig.swapped ? kN / 8 : 1;
  float scale[kNumPairs][2];

  // `sfa` are the scales of the tile's rows, and the one of its columns behind them.
  __device__ __forceinline__ BlockScales(const float* sfa, const ThreadPosition& position,
                                         int block_idx) {
    const float sfb = sfa[kConfig.tile_m];
    const float* first =
        sfa + (kConfig.swapped ? position.n : position.m + block_idx * kConfig.block_stride());
    constexpr int kSecond = kConfig.swapped ? 1 : 8;
#pragma unroll
    for (int j = 0; j < kNumPairs; ++j) {
      scale[j][0] = __fmul_rn(first[j * 8], sfb);
      scale[j][1] = __fmul_rn(first[j * 8 + kSecond], sfb);
    }
  }

  // main_acc = fma(sfa * sfb, partial_acc, main_acc).
  __device__ __forceinline__ void promote(BlockAccumulator<kN>& main_acc,
                                          const BlockAccumulator<kN>& partial_acc) const {
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) {
      const float factor = kConfig.swapped ? scale[i / 4 % kNumPairs][i % 2] : scale[0][i / 2 % 2];
      main_acc[i] = __fmaf_rn(factor, partial_acc[i], main_acc[i]);
    }
  }
};

// All k-blocks of a tile, for the first kNumBlocks blocks of the warpgroup, with wgmma's N as
// given. The scales of a block are read, and the next stage is asked for, while its products are
// under way.
template <Config kConfig, int kN, int kNumBlocks>
__device__ __forceinline__ void accumulate(BlockAccumulator<kN>* main_acc,
                                           TilePipeline<kConfig>& tiles,
                                           ScalePipeline<kConfig>& scales,
                                           const ThreadPosition& position, int num_k_blocks) {
  bool full = false;
  for (int k_begin = 0; k_begin < num_k_blocks; k_begin += kScaleStageKBlocks) {
    scales.wait_full();
    const int count = min(kScaleStageKBlocks, num_k_blocks - k_begin);
#pragma unroll 1
    for (int k = 0; k < count; ++k) {
      if (!full) tiles.wait_full();
      const TilePipeline<kConfig> stage = tiles;
      tiles.advance();
#pragma unroll
      for (int i = 0; i < kNumBlocks; ++i) {
        BlockAccumulator<kN> partial_acc;
        start_products<kConfig, kN>(partial_acc, stage,
                                    i * kConfig.block_stride() + position.warpgroup * 64);
        const BlockScales<kConfig, kN> block_scales(scales.scales(k), position, i);
        if (i + 1 == kNumBlocks) full = tiles.test_full();
        ptx::wgmma_wait<0>();
        ptx::wgmma_pin(partial_acc);
        if (i + 1 == kNumBlocks) stage.signal_empty();
        block_scales.promote(main_acc[i], partial_acc);
      }
      if (kNumBlocks == 0) stage.signal_empty();
    }
    scales.signal_empty();
    scales.advance();
  }
}

}  // namespace ggfp8::sm90
