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
#include "backends/sm90/sm90_tile_sequence.cuh"
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

  __device__ __forceinline__ RowScaleCopy(const Params& params, const OutBlock& tile) {
    const int32_t first_row = tile.row_begin / 4 * 4;
    first = params.sfa + first_row;
    num_bytes = params.tma_sfa ? round_up(tile.row_begin - first_row + tile.num_rows, 4) * 4 : 0;
  }
};

// Loads the k-blocks of a tile. A warp goes through here together, so that addresses are uniform,
// and its leader starts the copies. Whatever does not change from k-block to k-block stays out of
// the loop: with it inside, a k-block took this warp longer than the consumers.
template <Multicast kShared, Config kConfig>
__device__ __forceinline__ void load_k_blocks(const Params& params, const CtaTile& tile,
                                              Pipeline<kConfig>& pipeline, bool is_leader) {
  constexpr bool kSharesA = kShared == Multicast::kA;
  constexpr bool kSharesB = kShared == Multicast::kB;
  constexpr uint16_t kAllRanks = (1u << kConfig.cluster_size) - 1;
  const int num_a_boxes = ceil_div(tile.num_rows, kConfig.a_box_rows);
  const int num_b_boxes = ceil_div(tile.num_cols, kConfig.b_box_rows);
  const Boxes<kSharesA, kConfig.block_m / kConfig.a_box_rows, kConfig.cluster_size> a_boxes(
      num_a_boxes);
  const Boxes<kSharesB, kConfig.block_n / kConfig.b_box_rows, kConfig.cluster_size> b_boxes(
      num_b_boxes);
  const RowScaleCopy sfa(params, tile);
  const uint32_t num_bytes =
      num_a_boxes * kConfig.a_box_bytes() + num_b_boxes * kConfig.b_box_bytes() + sfa.num_bytes;
  const int32_t k_end = params.num_k_blocks * kBlockK;
  pipeline.make_uniform();
#pragma unroll 1
  for (int32_t k_begin = 0; k_begin < k_end; k_begin += kBlockK) {
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
                       sfa.first + k_begin / kBlockK * params.sfa_k_stride, full, sfa.num_bytes);
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
  constexpr Multicast kUsual = kConfig.cluster_size > 1 ? Multicast::kA : Multicast::kNone;
  const bool is_leader = ptx::elect_one();
  for (uint32_t tile_idx = 0;; ++tile_idx) {
    const CtaTile tile = wait_for_tile(storage, tile_idx);
    if (tile.num_rows == 0) break;
    if (kConfig.multicast == Multicast::kB && tile.multicast == Multicast::kB) {
      load_k_blocks<Multicast::kB>(params, tile, pipeline, is_leader);
    } else {
      load_k_blocks<kUsual>(params, tile, pipeline, is_leader);
    }
  }
  // A stage without copies: the one that says there is no further tile.
  pipeline.wait_empty();
  pipeline.signal_no_copies();
}

}  // namespace ggfp8::sm90
