// The arithmetic of one k-block for one consumer warpgroup: four wgmma from zero, then promotion
// into float32, main_acc = fma(sfa * sfb, partial_acc, main_acc).
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_pipeline.cuh"
#include "ptx/wgmma.cuh"

namespace ggfp8::sm90 {

// The accumulators of a thread for one block, and for all of its warpgroup.
template <Config kConfig>
using BlockAccumulator = float[kConfig.num_accumulators()];
template <Config kConfig>
using Accumulator = float[kConfig.num_blocks()][kConfig.num_accumulators()];

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
template <Config kConfig>
__device__ __forceinline__ void start_products(BlockAccumulator<kConfig>& partial_acc,
                                               const Pipeline<kConfig>& pipeline, int m_begin) {
  constexpr Dtype kTypeM = kConfig.swapped ? kConfig.b_dtype : kConfig.a_dtype;
  constexpr Dtype kTypeN = kConfig.swapped ? kConfig.a_dtype : kConfig.b_dtype;
  const uint32_t m_tile = kConfig.swapped ? pipeline.b_tile() : pipeline.a_tile();
  const uint32_t n_tile = kConfig.swapped ? pipeline.a_tile() : pipeline.b_tile();
  const uint64_t m_descriptor = ptx::wgmma_descriptor(m_tile + m_begin * kTileK);
  const uint64_t n_descriptor = ptx::wgmma_descriptor(n_tile);
  ptx::wgmma_pin(partial_acc);
  ptx::wgmma_fence();
#pragma unroll
  for (int step = 0; step < kTileK / 32; ++step) {
    // Addresses in descriptors count 16 bytes: 32 k are two of them.
    ptx::Wgmma<kConfig.wgmma_n(), kTypeM, kTypeN>::multiply(partial_acc, m_descriptor + step * 2,
                                                            n_descriptor + step * 2, step);
  }
  ptx::wgmma_commit();
  ptx::wgmma_pin(partial_acc);
}

// The products sfa * sfb of a thread's accumulators: one per pair of columns of the result and row
// in it where rows stand on the N side, else one per row.
template <Config kConfig>
struct BlockScales {
  static constexpr int kNumPairs = kConfig.swapped ? kConfig.num_accumulators() / 4 : 1;
  float scale[kNumPairs][2];

  __device__ __forceinline__ BlockScales(const Pipeline<kConfig>& pipeline,
                                         const ThreadPosition& position, int block_idx) {
    const auto* sfa = static_cast<const float*>(__cvta_shared_to_generic(pipeline.scales()));
    const float sfb = sfa[kConfig.tile_m];
    const float* first = sfa + (kConfig.swapped ? position.n : position.m + block_idx * 128);
    constexpr int kSecond = kConfig.swapped ? 1 : 8;
#pragma unroll
    for (int j = 0; j < kNumPairs; ++j) {
      scale[j][0] = __fmul_rn(first[j * 8], sfb);
      scale[j][1] = __fmul_rn(first[j * 8 + kSecond], sfb);
    }
  }

  // main_acc = fma(sfa * sfb, partial_acc, main_acc).
  __device__ __forceinline__ void promote(BlockAccumulator<kConfig>& main_acc,
                                          const BlockAccumulator<kConfig>& partial_acc) const {
#pragma unroll
    for (int i = 0; i < kConfig.num_accumulators(); ++i) {
      const float factor = kConfig.swapped ? scale[i / 4 % kNumPairs][i % 2] : scale[0][i / 2 % 2];
      main_acc[i] = __fmaf_rn(factor, partial_acc[i], main_acc[i]);
    }
  }
};

// One k-block of all blocks that begin below num_rows of the tile; gives the stage back. Scales are
// read while the products are under way. num_rows is the same in all threads.
template <Config kConfig>
__device__ __forceinline__ void accumulate_k_block(Accumulator<kConfig>& main_acc,
                                                   const Pipeline<kConfig>& pipeline,
                                                   const ThreadPosition& position, int num_rows) {
#pragma unroll
  for (int i = 0; i < kConfig.num_blocks(); ++i) {
    const int m_begin = i * 128 + position.warpgroup * 64;
    const bool last = i + 1 == kConfig.num_blocks();
    if (!kConfig.swapped && m_begin >= num_rows) {
      if (last) pipeline.signal_empty();
      continue;
    }
    BlockAccumulator<kConfig> partial_acc;
    start_products<kConfig>(partial_acc, pipeline, m_begin);
    const BlockScales<kConfig> scales(pipeline, position, i);
    ptx::wgmma_wait<0>();
    ptx::wgmma_pin(partial_acc);
    if (last) pipeline.signal_empty();
    scales.promote(main_acc[i], partial_acc);
  }
}

}  // namespace ggfp8::sm90
