// The arithmetic of one k-block for one warp: multiply from zero, then promote.
#pragma once

#include <cstdint>

#include "backends/mma/mma_config.h"
#include "backends/mma/mma_fragments.cuh"
#include "backends/mma/mma_loader.cuh"
#include "backends/mma/mma_shared_storage.h"

namespace ggfp8::mma {

// A warp's part of the tile: kFragmentsM x kFragmentsN accumulator fragments of 16 x 8.
template <Config kConfig>
struct WarpTile {
  static constexpr int kFragmentsM = kConfig.warp_tile_m() / 16;
  static constexpr int kFragmentsN = kConfig.warp_tile_n() / 8;
  static_assert(kFragmentsN % 2 == 0, "b fragments are loaded in pairs");

  using Accumulator = float[kFragmentsM][kFragmentsN][4];

  int row;  // of the warp's first row in the CTA tile
  int col;
  int lane;

  __device__ __forceinline__ WarpTile() {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    row = warp / kConfig.num_warps_n * kConfig.warp_tile_m();
    col = warp % kConfig.num_warps_n * kConfig.warp_tile_n();
    lane = static_cast<int>(threadIdx.x) % 32;
  }
};

// Adds a * b over 32 k, the step_idx-th of the stage.
template <Config kConfig>
__device__ __forceinline__ void multiply_step(typename WarpTile<kConfig>::Accumulator& accumulator,
                                              const WarpTile<kConfig>& warp, uint32_t smem,
                                              int step_idx) {
  constexpr int kBOffset = offsetof(typename SharedStorage<kConfig>::Stage, b);
  using Tile = WarpTile<kConfig>;
  FragmentA<kConfig.a_dtype> a[Tile::kFragmentsM];
  FragmentB<kConfig.b_dtype> b[Tile::kFragmentsN];

  const int a_row = warp.row + warp.lane % 16;
  const int a_piece = step_idx * 2 + warp.lane / 16;
#pragma unroll
  for (int m = 0; m < Tile::kFragmentsM; ++m) {
    uint32_t loaded[4];
    ptx::ldmatrix_x4(loaded, smem + piece_offset(a_row + m * 16, a_piece));
    a[m].set(loaded);
  }
  const int b_row = warp.col + warp.lane / 16 * 8 + warp.lane % 8;
  const int b_piece = step_idx * 2 + warp.lane / 8 % 2;
#pragma unroll
  for (int n = 0; n < Tile::kFragmentsN; n += 2) {
    uint32_t loaded[4];
    ptx::ldmatrix_x4(loaded, smem + kBOffset + piece_offset(b_row + n * 8, b_piece));
    b[n].set(loaded[0], loaded[1]);
    b[n + 1].set(loaded[2], loaded[3]);
  }
#pragma unroll
  for (int m = 0; m < Tile::kFragmentsM; ++m) {
#pragma unroll
    for (int n = 0; n < Tile::kFragmentsN; ++n) multiply(accumulator[m][n], a[m], b[n]);
  }
}

// main_acc = fma(sfa * sfb, partial_acc, main_acc) for every element. With granularity_n of 64 or
// 128 a warp's columns share one sfb; the product sfa * sfb is the same value in both branches.
template <Config kConfig>
__device__ __forceinline__ void promote(typename WarpTile<kConfig>::Accumulator& main_acc,
                                        const typename WarpTile<kConfig>::Accumulator& partial_acc,
                                        const WarpTile<kConfig>& warp, const float* scales,
                                        bool one_sfb) {
  using Tile = WarpTile<kConfig>;
  static_assert(64 % kConfig.warp_tile_n() == 0);
  const float* sfa = scales + warp.row + warp.lane / 4;
  const float* sfb = scales + kConfig.tile_m + warp.col + warp.lane % 4 * 2;
  const float shared_sfb = scales[kConfig.tile_m + warp.col];
#pragma unroll
  for (int m = 0; m < Tile::kFragmentsM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float row_sfa = sfa[m * 16 + half * 8];
      const float shared_scale = __fmul_rn(row_sfa, shared_sfb);
#pragma unroll
      for (int n = 0; n < Tile::kFragmentsN; ++n) {
#pragma unroll
        for (int col = 0; col < 2; ++col) {
          const float scale = one_sfb ? shared_scale : __fmul_rn(row_sfa, sfb[n * 8 + col]);
          float& sum = main_acc[m][n][half * 2 + col];
          sum = __fmaf_rn(scale, partial_acc[m][n][half * 2 + col], sum);
        }
      }
    }
  }
}

// Computes one k-block of a stage: products of 32 k each from zero, then promotion. kFull says that
// the block has 128 k and that a warp's columns share one sfb. The code is then a straight line, in
// which the promotion of the first sums overlaps the last products. Otherwise num_steps and one_sfb
// decide at run time.
template <Config kConfig, bool kFull>
__device__ __forceinline__ void accumulate_k_block(
    typename WarpTile<kConfig>::Accumulator& main_acc, const WarpTile<kConfig>& warp,
    uint32_t smem_stage, int num_steps, bool one_sfb) {
  typename WarpTile<kConfig>::Accumulator partial_acc = {};
  if constexpr (kFull) {
#pragma unroll
    for (int step = 0; step < kStageK / 32; ++step) {
      multiply_step<kConfig>(partial_acc, warp, smem_stage, step);
    }
  } else {
#pragma unroll 1
    for (int step = 0; step < num_steps; ++step) {
      multiply_step<kConfig>(partial_acc, warp, smem_stage, step);
    }
  }
  constexpr int kScalesOffset = offsetof(typename SharedStorage<kConfig>::Stage, scales);
  const auto* scales =
      static_cast<const float*>(__cvta_shared_to_generic(smem_stage + kScalesOffset));
  promote<kConfig>(main_acc, partial_acc, warp, scales, kFull || one_sfb);
}

}  // namespace ggfp8::mma
