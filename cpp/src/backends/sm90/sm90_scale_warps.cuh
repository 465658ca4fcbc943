// The scale warps: load the scales of columns, and the scales of rows where TMA cannot load them.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_pipeline.cuh"
#include "backends/sm90/sm90_tile_ring.cuh"

namespace ggfp8::sm90 {

// A lane's scales of a tile: of every 32nd row if the warp loads scales of rows, and of one slot of
// the column scales. Rows and columns that do not exist get the scale of the last row or column,
// which no result uses.
template <Config kConfig, bool kLoadsRows>
class ScaleLoader {
 public:
  static constexpr int kNumRows = kLoadsRows ? kConfig.block_m / 32 : 0;

  struct Values {
    float sfa[kNumRows + 1];
    float sfb;
  };

  // Begins with this k-block of the tile.
  __device__ __forceinline__ ScaleLoader(const Params& params, const CtaTile& tile, int k_block_idx)
      : row_step_(kNumScaleWarps * params.sfa_k_stride),
        column_step_(kNumScaleWarps * params.sfb_k_stride) {
    const float* sfa = params.sfa + tile.group_idx * params.sfa_slab_stride;
#pragma unroll
    for (int i = 0; i < kNumRows; ++i) {
      const int32_t row = tile.row_begin + min(i * 32 + lane(), tile.num_rows - 1);
      const int32_t m_block = scale_row(row, tile.group_row_begin, params.granularity_m);
      row_[i] = sfa + m_block * params.sfa_m_stride + k_block_idx * params.sfa_k_stride;
    }
    constexpr ColumnScales kLayout = kConfig.column_scales();
    const int32_t col = min(tile.col_begin + kLayout.first_column(lane()), params.n - 1);
    column_ = params.sfb + tile.group_idx * params.sfb_group_stride +
              col / kScaleN * params.sfb_n_stride + k_block_idx * params.sfb_k_stride;
  }

  // Loads the scales of the warp's next k-block.
  __device__ __forceinline__ Values load() {
    Values values;
#pragma unroll
    for (int i = 0; i < kNumRows; ++i) {
      values.sfa[i] = __ldg(row_[i]);
      row_[i] += row_step_;
    }
    values.sfb = __ldg(column_);
    column_ += column_step_;
    return values;
  }

  __device__ __forceinline__ static void store(float* scales, const Values& values) {
#pragma unroll
    for (int i = 0; i < kNumRows; ++i) scales[i * 32 + lane()] = values.sfa[i];
    if (lane() < kConfig.column_scales().num_slots())
      scales[AsyncStorage<kConfig>::kSfbIdx + lane()] = values.sfb;
  }

 private:
  __device__ __forceinline__ static int lane() { return static_cast<int>(threadIdx.x) % 32; }

  const float* row_[kNumRows + 1];
  const float* column_;
  int64_t row_step_;
  int64_t column_step_;
};

// Runs scale warp `warp` of kNumScaleWarps. The warps take k-blocks in turn, from tile to tile. By
// taking turns a warp waits for a stage at most one round ahead; it could not tell a later round
// from the round before.
//
// Scales go through registers. The loads of a warp's next k-block are under way while the warp
// waits for an empty stage: 4-byte asynchronous copies that miss L1 hold up the tensor cores' reads
// of shared memory. The loop is short because its instructions take issue slots from promotions.
template <bool kLoadsRows, Config kConfig>
__device__ __forceinline__ void load_scales(const Params& params, const TileRing<kConfig>& ring,
                                            Pipeline<kConfig> pipeline, int warp) {
  using Loader = ScaleLoader<kConfig, kLoadsRows>;
  static_assert(kNumScaleWarps < kConfig.num_stages);
  const int num_k_blocks = params.num_k_blocks;
  int k = warp;  // this warp's next k-block, counted from the tile's first
  pipeline.advance(warp);
  for (uint32_t tile_idx = 0;; ++tile_idx) {
    const CtaTile tile = ring.wait(tile_idx);
    if (tile.num_rows == 0) break;
    if (k < num_k_blocks) {
      Loader loader(params, tile, k);
      typename Loader::Values values = loader.load();
#pragma unroll 1
      for (; k < num_k_blocks; k += kNumScaleWarps) {
        const typename Loader::Values present = values;
        if (k + kNumScaleWarps < num_k_blocks) values = loader.load();
        pipeline.wait_empty();
        loader.store(pipeline.scales(), present);
        pipeline.signal_full();
        pipeline.advance(kNumScaleWarps);
      }
    }
    k -= num_k_blocks;
  }
  // The warp whose turn it is fills the stage that tells the consumers that there is no further
  // tile.
  if (k == 0) {
    pipeline.wait_empty();
    pipeline.signal_full();
  }
}

template <Config kConfig>
__device__ __forceinline__ void run_scale_warp(const Params& params, const TileRing<kConfig>& ring,
                                               Pipeline<kConfig> pipeline, int warp) {
  if (params.tma_sfa) {
    load_scales<false>(params, ring, pipeline, warp);
  } else {
    load_scales<true>(params, ring, pipeline, warp);
  }
}

}  // namespace ggfp8::sm90
