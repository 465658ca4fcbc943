// The two producer roles: one thread starts the bulk copies of the tiles; three warps load the
// scales, which may lie at any row and with either index running fastest.
//
// A tile of a may reach into the next group, and rows behind that keep what a stage held before:
// they are computed and never stored, and what they hold stays in their own accumulators. A tile of
// b may lie behind the last column: it is zeros.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_pipeline.cuh"
#include "core/tile_scheduler.cuh"
#include "ptx/tma.cuh"

namespace ggfp8::sm90 {

// The tiles of this CTA in order: every cluster takes the tiles of as many columns as its CTAs
// have together, and every CTA the columns of its rank.
template <Config kConfig>
class TileSequence {
 public:
  __device__ __forceinline__ TileSequence(const Params& params, const ScheduleStorage& storage)
      : params_(params),
        storage_(storage),
        idx_(blockIdx.x / kConfig.cluster_size),
        num_tiles_(int64_t{storage.num_m_tiles} * params.num_n_tiles) {}

  __device__ __forceinline__ bool done() const { return idx_ >= num_tiles_; }
  __device__ __forceinline__ void advance() { idx_ += gridDim.x / kConfig.cluster_size; }

  __device__ __forceinline__ Tile tile() const {
    Tile tile = find_tile(params_.schedule, storage_, params_.num_n_tiles,
                          kTileN * kConfig.cluster_size, idx_);
    if constexpr (kConfig.cluster_size > 1) tile.col_begin += kTileN * ptx::cluster_rank();
    return tile;
  }

 private:
  const Params& params_;
  const ScheduleStorage& storage_;
  int64_t idx_;
  int64_t num_tiles_;
};

// One thread. The CTAs of a cluster share the tile of a: they take turns with boxes of rows, and
// each loads its boxes for all. Boxes behind the last row of the group are left out.
template <Config kConfig>
__device__ __forceinline__ void produce_tiles(const Params& params, const ScheduleStorage& storage,
                                              TilePipeline<kConfig> pipeline) {
  constexpr uint16_t kAllRanks = (1u << kConfig.cluster_size) - 1;
  const int rank = kConfig.cluster_size == 1 ? 0 : static_cast<int>(ptx::cluster_rank());
  for (TileSequence<kConfig> tiles(params, storage); !tiles.done(); tiles.advance()) {
    const Tile tile = tiles.tile();
    const int num_boxes = ceil_div(tile.row_end - tile.row_begin, kConfig.a_box_rows);
    for (int k_block_idx = 0; k_block_idx < params.num_k_blocks; ++k_block_idx) {
      pipeline.wait_empty();
      ptx::mbarrier_arrive_expect_bytes(pipeline.full(),
                                        num_boxes * kConfig.a_box_bytes() + kConfig.b_bytes());
      const int32_t k_begin = k_block_idx * kTileK;
      ptx::tma_load(pipeline.b_tile(), params.b_map, pipeline.full(), k_begin, tile.col_begin,
                    tile.group_idx);
      for (int box = rank; box < num_boxes; box += kConfig.cluster_size) {
        const uint32_t smem = pipeline.a_tile() + box * kConfig.a_box_bytes();
        const int32_t row = tile.row_begin + box * kConfig.a_box_rows;
        if constexpr (kConfig.cluster_size == 1) {
          ptx::tma_load(smem, params.a_map, pipeline.full(), k_begin, row);
        } else {
          ptx::tma_load_multicast(smem, params.a_map, pipeline.full(), k_begin, row, kAllRanks);
        }
      }
      pipeline.advance();
    }
  }
}

// The scales of a's rows for one thread: every kNumScaleThreads-th row of a tile.
template <Config kConfig>
class RowScales {
 public:
  static constexpr int kNumRows = ceil_div(kConfig.tile_m, kNumScaleThreads);

  __device__ __forceinline__ RowScales(const Params& params, const Tile& tile, int thread_idx)
      : k_stride_(params.sfa_k_stride) {
    const int32_t gm = params.granularity_m;
#pragma unroll
    for (int i = 0; i < kNumRows; ++i) {
      const int32_t row = tile.row_begin + i * kNumScaleThreads + thread_idx;
      const int32_t m_block =
          gm == 1 ? row : tile.group_row_begin / gm + (row - tile.group_row_begin) / gm;
      const bool exists = row < min(tile.row_end, tile.row_begin + kConfig.tile_m);
      row_[i] = exists ? params.sfa + m_block * params.sfa_m_stride : nullptr;
    }
  }

  // Of one row and k-block; 0 where the tile has no such row.
  __device__ __forceinline__ float load(int i, int k_block_idx) const {
    return row_[i] == nullptr ? 0.0f : __ldg(row_[i] + k_block_idx * k_stride_);
  }

 private:
  int64_t k_stride_;
  const float* row_[kNumRows];
};

// Three warps. Loads go through registers: 4-byte asynchronous copies that miss L1 hold up the
// tensor cores' reads of shared memory.
template <Config kConfig>
__device__ __forceinline__ void produce_scales(const Params& params, const ScheduleStorage& storage,
                                               ScalePipeline<kConfig> pipeline) {
  constexpr int kBatch = 4;  // k-blocks whose loads are under way together
  constexpr int kNumRows = RowScales<kConfig>::kNumRows;
  const int thread_idx = static_cast<int>(threadIdx.x) - kConfig.num_consumer_threads() - 32;
  for (TileSequence<kConfig> tiles(params, storage); !tiles.done(); tiles.advance()) {
    const Tile tile = tiles.tile();
    const RowScales<kConfig> sfa(params, tile, thread_idx);
    const float* sfb = params.sfb + tile.group_idx * params.sfb_group_stride +
                       tile.col_begin / kTileN * params.sfb_n_stride;
    for (int k_begin = 0; k_begin < params.num_k_blocks; k_begin += kScaleStageKBlocks) {
      const int count = min(kScaleStageKBlocks, params.num_k_blocks - k_begin);
      const bool loads_sfb = thread_idx < count && tile.col_begin < params.n;
      const float sfb_value =
          loads_sfb ? __ldg(sfb + (k_begin + thread_idx) * params.sfb_k_stride) : 0.0f;
#pragma unroll
      for (int batch = 0; batch < kScaleStageKBlocks; batch += kBatch) {
        float value[kBatch][kNumRows];
#pragma unroll
        for (int k = 0; k < kBatch; ++k) {
#pragma unroll
          for (int i = 0; i < kNumRows; ++i) {
            value[k][i] = batch + k < count ? sfa.load(i, k_begin + batch + k) : 0.0f;
          }
        }
        if (batch == 0) pipeline.wait_empty();
#pragma unroll
        for (int k = 0; k < kBatch; ++k) {
#pragma unroll
          for (int i = 0; i < kNumRows; ++i) {
            const int row = i * kNumScaleThreads + thread_idx;
            if (row < kConfig.tile_m) pipeline.scales(batch + k)[row] = value[k][i];
          }
        }
      }
      if (thread_idx < count) pipeline.scales(thread_idx)[kConfig.tile_m] = sfb_value;
      if (thread_idx == 0) pipeline.tile() = tile;
      pipeline.signal_full();
      pipeline.advance();
    }
  }
}

}  // namespace ggfp8::sm90
