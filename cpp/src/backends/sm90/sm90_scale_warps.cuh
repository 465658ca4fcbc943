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

  static constexpr int kPerStage = kConfig.k_blocks_per_stage;

  struct Values {
    float sfa[kPerStage][kNumRows + 1];
    float sfb[kPerStage];
  };

  // Begins with this stage of the tile.
  __device__ __forceinline__ ScaleLoader(const Params& params, const CtaTile& tile, int stage)
      : row_step_(params.sfa_k_stride),
        column_step_(params.sfb_k_stride),
        num_left_(params.num_k_blocks - stage * kPerStage) {
    const int k_block_idx = stage * kPerStage;
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

  // Loads the scales of the warp's next stage, which has at least one k-block.
  __device__ __forceinline__ Values load() {
    Values values;
#pragma unroll
    for (int k = 0; k < kPerStage; ++k) {
      if (k > 0 && k >= num_left_) break;
#pragma unroll
      for (int i = 0; i < kNumRows; ++i) values.sfa[k][i] = __ldg(row_[i] + k * row_step_);
      values.sfb[k] = __ldg(column_ + k * column_step_);
    }
    constexpr int kTurn = kNumScaleWarps * kPerStage;
#pragma unroll
    for (int i = 0; i < kNumRows; ++i) row_[i] += kTurn * row_step_;
    column_ += kTurn * column_step_;
    num_left_ -= kTurn;
    return values;
  }

  // Stores the scales of a stage. Scales of k-blocks that do not exist are not used.
  __device__ __forceinline__ static void store(float* scales, const Values& values) {
#pragma unroll
    for (int k = 0; k < kPerStage; ++k) {
      float* const to = scales + k * kScalesFloats;
#pragma unroll
      for (int i = 0; i < kNumRows; ++i) to[i * 32 + lane()] = values.sfa[k][i];
      if (lane() < kConfig.column_scales().num_slots())
        to[AsyncStorage<kConfig>::kSfbIdx + lane()] = values.sfb[k];
    }
  }

 private:
  static constexpr int kScalesFloats =
      sizeof(typename AsyncStorage<kConfig>::Scales) / sizeof(float);

  __device__ __forceinline__ static int lane() { return static_cast<int>(threadIdx.x) % 32; }

  const float* row_[kNumRows + 1];
  const float* column_;
  int64_t row_step_;
  int64_t column_step_;
  int num_left_;  // k-blocks from the warp's next stage on
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
  const int num_stages = ceil_div(params.num_k_blocks, kConfig.k_blocks_per_stage);
  int stage = warp;  // this warp's next stage, counted from the tile's first
  pipeline.advance(warp);
  start_together<kConfig>();
  for (uint32_t tile_idx = 0;; ++tile_idx) {
    const CtaTile tile = ring.wait(tile_idx);
    if (tile.num_rows == 0) break;
    if (stage < num_stages) {
      Loader loader(params, tile, stage);
      typename Loader::Values values = loader.load();
#pragma unroll 1
      for (; stage < num_stages; stage += kNumScaleWarps) {
        const typename Loader::Values present = values;
        if (stage + kNumScaleWarps < num_stages) values = loader.load();
        pipeline.wait_empty();
        loader.store(pipeline.scales(), present);
        pipeline.signal_full();
        pipeline.advance(kNumScaleWarps);
      }
    }
    stage -= num_stages;
  }
  // The warp whose turn it is fills the stage that tells the consumers that there is no further
  // tile.
  if (stage == 0) {
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
