// The scale warps: load the scales of columns, and the scales of rows where TMA cannot load them.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_pipeline.cuh"
#include "backends/sm90/sm90_tile_ring.cuh"
#include "ptx/thread_idx.cuh"

namespace ggfp8::sm90 {

// A lane's scales of a tile: of every 32nd row if the warp loads scales of rows, and of one slot of
// the column scales. Rows and columns that do not exist get the scale of the last row or column,
// which no result uses.
template <Config kConfig, bool kLoadsRows>
class ScaleLoader {
 public:
  static constexpr int kNumRows = kLoadsRows ? kConfig.block_m / 32 : 0;  // of a lane
  static constexpr int kPerStage = kConfig.scale_blocks_per_stage();

  struct Values {
    float sfa[kPerStage][kNumRows + 1];
    float sfb[kPerStage];
  };

  // Begins with this stage of the tile.
  __device__ __forceinline__ ScaleLoader(const Params& params, const CtaTile& tile, int stage)
      : sfa_k_stride_(params.sfa_k_stride),
        sfb_k_stride_(params.sfb_k_stride),
        num_left_(params.num_scale_blocks - stage * kPerStage) {
    const int scale_block_idx = stage * kPerStage;
    const float* sfa = params.sfa + tile.group_idx * params.sfa_slab_stride;
#pragma unroll
    for (int i = 0; i < kNumRows; ++i) {
      const int32_t row = tile.row_begin + min(i * 32 + lane(), tile.num_rows - 1);
      const int32_t m_block =
          scale_row_by_shift(row, tile.group_row_begin, params.log2_granularity_m);
      sfa_[i] = sfa + m_block * params.sfa_m_stride + scale_block_idx * params.sfa_k_stride;
    }
    constexpr ColumnScales kLayout = kConfig.column_scales();
    // Lanes past the last slot load the last slot's scale: their own column may not fit 32 bits.
    const auto lane_now = static_cast<int>(ptx::thread_idx() % 32);  // no register between tiles
    const int slot = min(lane_now, kLayout.num_slots() - 1);
    const int32_t col = min(tile.col_begin + kLayout.first_column(slot), params.n - 1);
    sfb_ = params.sfb + tile.group_idx * params.sfb_group_stride +
           (col >> params.log2_granularity_n) * params.sfb_n_stride +
           scale_block_idx * params.sfb_k_stride;
  }

  // Loads the scales of the warp's next stage, which has at least one scale block.
  __device__ __forceinline__ Values load() {
    Values values;
#pragma unroll
    for (int k = 0; k < kPerStage; ++k) {
      if (k > 0 && k >= num_left_) break;
#pragma unroll
      for (int i = 0; i < kNumRows; ++i) values.sfa[k][i] = __ldg(sfa_[i] + k * sfa_k_stride_);
      values.sfb[k] = __ldg(sfb_ + k * sfb_k_stride_);
    }
    constexpr int kTurn = kNumScaleWarps * kPerStage;  // scale blocks to the warp's next stage
#pragma unroll
    for (int i = 0; i < kNumRows; ++i) sfa_[i] += kTurn * sfa_k_stride_;
    sfb_ += kTurn * sfb_k_stride_;
    num_left_ -= kTurn;
    return values;
  }

  // Stores the scales of a stage. Scales of scale blocks that do not exist are not used.
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

  const float* sfa_[kNumRows + 1];
  const float* sfb_;
  int64_t sfa_k_stride_;
  int64_t sfb_k_stride_;
  int num_left_;  // scale blocks from the warp's next stage on
};

// Runs scale warp `warp` of kNumScaleWarps. The warps take stages in turn, from tile to tile, so
// that no warp is more than a round of the ring ahead. A barrier tells rounds apart by their parity
// alone.
//
// Scales go through registers. The loads of a warp's next stage are under way while the warp waits
// for its present stage to be empty. 4-byte asynchronous copies, which need no registers, hold up
// the tensor cores' reads of shared memory where they miss L1. The loop is short because its
// instructions take issue slots from promotions.
template <bool kLoadsRows, Config kConfig>
__device__ __forceinline__ void load_scales(const Params& params, const TileRing<kConfig>& ring,
                                            Pipeline<kConfig> pipeline, int warp) {
  using Loader = ScaleLoader<kConfig, kLoadsRows>;
  static_assert(kNumScaleWarps < kConfig.num_stages);
  const int num_stages = ceil_div(params.num_scale_blocks, kConfig.scale_blocks_per_stage());
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
    if (kConfig.is_small() && tile.is_last) return;
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
