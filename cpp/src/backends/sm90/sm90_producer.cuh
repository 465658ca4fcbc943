// The two producer roles: one warp starts the bulk copies of the tiles, and of the scales of rows
// that lie so that they can be copied; two load all other scales.
//
// A tile of a may reach into the next group, and rows behind that keep what a stage held before:
// they are computed and never stored, and what they hold stays in their own accumulators. Columns
// of b behind the last one are zeros.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_pipeline.cuh"
#include "backends/sm90/sm90_tiles.cuh"
#include "ptx/elect.cuh"
#include "ptx/tma.cuh"

namespace ggfp8::sm90 {

// The boxes of one operand of a k-block that this CTA loads. Those that the cluster shares are
// loaded for all its CTAs by one of them, each in turn.
template <bool kShared, int kMaxBoxes, int kClusterSize>
class Boxes {
 public:
  // `num_needed` of them make up the operand's part of the CTA's tile.
  __device__ __forceinline__ explicit Boxes(int num_needed)
      : num_needed_(num_needed), first_(kShared ? static_cast<int>(ptx::cluster_rank()) : 0) {}

  // Calls load(box).
  template <class Load>
  __device__ __forceinline__ void for_each(const Load& load) const {
#pragma unroll
    for (int i = 0; i < ceil_div(kMaxBoxes, kStep); ++i) {
      const int box = first_ + i * kStep;
      if (box < num_needed_) load(box);
    }
  }

 private:
  static constexpr int kStep = kShared ? kClusterSize : 1;

  int num_needed_;
  int first_;
};

// The scales of a tile's rows as bulk copies move them, from the last multiple of four rows in
// front of them on.
struct RowScaleCopy {
  const float* first;
  uint32_t num_bytes;  // 0 if they do not

  __device__ __forceinline__ RowScaleCopy(const Params& params, const OutTile& tile) {
    const int32_t first_row = tile.row_begin / 4 * 4;
    first = params.sfa + first_row;
    num_bytes =
        params.sfa_in_bulk ? round_up(tile.row_begin - first_row + tile.num_rows, 4) * 4 : 0;
  }
};

// Loads the k-blocks of a tile. A warp goes through here together, so that addresses are uniform,
// and its leader starts the copies. Whatever does not change from k-block to k-block stays out of
// the loop: with it inside, a k-block took this warp longer than the consumers.
template <Shared kShared, Config kConfig>
__device__ __forceinline__ void load_k_blocks(const Params& params, const CtaTile& tile,
                                              Pipeline<kConfig>& pipeline, bool is_leader) {
  constexpr bool kSharesA = kShared == Shared::kA;
  constexpr bool kSharesB = kShared == Shared::kB;
  constexpr uint16_t kAllRanks = (1u << kConfig.cluster_size) - 1;
  const int num_a_boxes = ceil_div(tile.num_rows, kConfig.a_box_rows);
  const int num_b_boxes = ceil_div(tile.num_cols, kConfig.b_box_rows);
  const Boxes<kSharesA, kConfig.cta_m / kConfig.a_box_rows, kConfig.cluster_size> a_boxes(
      num_a_boxes);
  const Boxes<kSharesB, kConfig.cta_n / kConfig.b_box_rows, kConfig.cluster_size> b_boxes(
      num_b_boxes);
  const RowScaleCopy sfa(params, tile);
  const uint32_t num_bytes =
      num_a_boxes * kConfig.a_box_bytes() + num_b_boxes * kConfig.b_box_bytes() + sfa.num_bytes;
  const int32_t k_end = params.num_k_blocks * kTileK;
  pipeline.make_uniform();
#pragma unroll 1
  for (int32_t k_begin = 0; k_begin < k_end; k_begin += kTileK) {
    pipeline.wait_empty();
    if (is_leader) {
      const uint32_t full = pipeline.full();
      ptx::mbarrier_arrive_expect_bytes(full, num_bytes);
      b_boxes.for_each([&](int box) {
        const uint32_t smem = pipeline.b_tile() + box * kConfig.b_box_bytes();
        const int32_t col = tile.col_begin + box * kConfig.b_box_rows;
        if constexpr (kSharesB) {
          ptx::tma_load_multicast(smem, params.b_map, full, k_begin, col, tile.group_idx,
                                  kAllRanks);
        } else {
          ptx::tma_load(smem, params.b_map, full, k_begin, col, tile.group_idx);
        }
      });
      a_boxes.for_each([&](int box) {
        const uint32_t smem = pipeline.a_tile() + box * kConfig.a_box_bytes();
        const int32_t row = tile.row_begin + box * kConfig.a_box_rows;
        if constexpr (kSharesA) {
          ptx::tma_load_multicast(smem, params.a_map, full, k_begin, row, kAllRanks);
        } else {
          ptx::tma_load(smem, params.a_map, full, k_begin, row);
        }
      });
      if (sfa.num_bytes > 0) {
        ptx::bulk_load(pipeline.scales(pipeline.stage_idx()),
                       sfa.first + k_begin / kTileK * params.sfa_k_stride, full, sfa.num_bytes);
      }
    }
    __syncwarp();
    pipeline.advance();
  }
}

// One warp. Boxes of a behind the last row of the group are left out.
template <Config kConfig>
__device__ __forceinline__ void produce_tiles(const Params& params, const TileStorage& storage,
                                              Pipeline<kConfig> pipeline) {
  constexpr Shared kUsual = kConfig.cluster_size > 1 ? Shared::kA : Shared::kNothing;
  const bool is_leader = ptx::elect_one();
  for (uint32_t tile_idx = 0;; ++tile_idx) {
    const CtaTile tile = wait_for_tile(storage, tile_idx);
    if (tile.num_rows == 0) break;
    if (kConfig.splits_rows && tile.shared == Shared::kB) {
      load_k_blocks<Shared::kB>(params, tile, pipeline, is_leader);
    } else {
      load_k_blocks<kUsual>(params, tile, pipeline, is_leader);
    }
  }
  // A stage without copies: the one that says there is no further tile.
  pipeline.wait_empty();
  pipeline.signal_no_copies();
}

// A lane's scales of a tile: of every 32nd row if the warp loads those of rows, and of one column.
// Rows and columns that do not exist have those of the last one, which are not used.
template <Config kConfig, bool kLoadsRows>
class ScaleLoader {
 public:
  static constexpr int kNumRows = kLoadsRows ? kConfig.cta_m / 32 : 0;

  struct Values {
    float sfa[kNumRows + 1];
    float sfb;
  };

  // Begins with this k-block of the tile.
  __device__ __forceinline__ ScaleLoader(const Params& params, const CtaTile& tile, int k_block_idx)
      : row_step_(kNumScaleWarps * params.sfa_k_stride),
        column_step_(kNumScaleWarps * params.sfb_k_stride) {
    const int32_t gm = params.granularity_m;
#pragma unroll
    for (int i = 0; i < kNumRows; ++i) {
      const int32_t row = tile.row_begin + min(i * 32 + lane(), tile.num_rows - 1);
      const int32_t m_block =
          gm == 1 ? row : tile.group_row_begin / gm + (row - tile.group_row_begin) / gm;
      row_[i] = params.sfa + m_block * params.sfa_m_stride + k_block_idx * params.sfa_k_stride;
    }
    const int32_t col = min(tile.col_begin + first_col(), params.n - 1);
    column_ = params.sfb + tile.group_idx * params.sfb_group_stride +
              col / kScaleN * params.sfb_n_stride + k_block_idx * params.sfb_k_stride;
  }

  // Those of the next of this warp's k-blocks.
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
    if (lane() < kConfig.num_sfb()) scales[kConfig.sfb_idx() + lane()] = values.sfb;
  }

 private:
  __device__ __forceinline__ static int lane() { return static_cast<int>(threadIdx.x) % 32; }

  // The first of the columns whose scale this lane loads.
  __device__ __forceinline__ static int first_col() {
    if (!kConfig.splits_rows) return 0;
    if (lane() < 4) return lane() * (kConfig.cta_n / 3);
    return (lane() / 4 - 1) * kConfig.half_n() + lane() % 4 * (kConfig.half_n() / 3);
  }

  const float* row_[kNumRows + 1];
  const float* column_;
  int64_t row_step_;
  int64_t column_step_;
};

// One of kNumScaleWarps warps, which take k-blocks in turn, from tile to tile; behind the last tile
// comes one without rows. Turns keep a warp from waiting for a stage more than one round ahead,
// which it could not tell from the round before. Loads go through registers, into which those of a
// warp's next k-block are under way while it waits for an empty stage: 4-byte asynchronous copies
// that miss L1 hold up the tensor cores' reads of shared memory. The loop is short because its
// instructions take the place of promotions'.
template <bool kLoadsRows, Config kConfig>
__device__ __forceinline__ void produce_scales_of(const Params& params, const TileStorage& storage,
                                                  Pipeline<kConfig> pipeline, int warp) {
  using Loader = ScaleLoader<kConfig, kLoadsRows>;
  static_assert(kNumScaleWarps < kConfig.num_stages);
  const int num_k_blocks = params.num_k_blocks;
  int k = warp;  // this warp's next k-block, counted from the tile's first
  pipeline.advance(warp);
  for (uint32_t tile_idx = 0;; ++tile_idx) {
    const CtaTile tile = wait_for_tile(storage, tile_idx);
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
  if (k == 0) {
    pipeline.wait_empty();
    pipeline.signal_full();
  }
}

template <Config kConfig>
__device__ __forceinline__ void produce_scales(const Params& params, const TileStorage& storage,
                                               Pipeline<kConfig> pipeline, int warp) {
  if (params.sfa_in_bulk) {
    produce_scales_of<false>(params, storage, pipeline, warp);
  } else {
    produce_scales_of<true>(params, storage, pipeline, warp);
  }
}

}  // namespace ggfp8::sm90
