// The load warp: starts the TMA loads of a and b, and of the scales of rows where TMA can load
// them.
//
// The last box of a may reach into the next group, and rows of boxes that are not loaded keep what
// the stage held before. Such rows are computed and never stored; a row affects its own
// accumulators alone. Columns of b past the end of the matrix arrive as zeros.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_deep_loads.cuh"
#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_pipeline.cuh"
#include "backends/sm90/sm90_tile_ring.cuh"
#include "backends/sm90/sm90_tile_sequence.cuh"
#include "ptx/elect.cuh"
#include "ptx/tma.cuh"

namespace ggfp8::sm90 {

// The boxes of one operand that this CTA loads in a k-block. The boxes of a multicast operand are
// divided among the CTAs of the cluster, each of which loads its boxes for all of them.
template <bool kMulticast, int kMaxBoxes, int kClusterSize>
class OperandBoxes {
 public:
  // `num_needed` boxes make up the operand's part of the CTA's tile.
  __device__ __forceinline__ explicit OperandBoxes(int num_needed)
      : num_needed_(num_needed), first_(kMulticast ? static_cast<int>(ptx::cluster_rank()) : 0) {}

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
  static constexpr int kStep = kMulticast ? kClusterSize : 1;

  int num_needed_;
  int first_;
};

// The scales of a tile's rows as TMA loads them: from a multiple of kSfaStep rows on, which is the
// tile's first row or a row shortly before.
struct RowScaleLoad {
  const float* first;
  uint32_t num_bytes;  // of a scale block; 0 if scale warps load them

  __device__ __forceinline__ RowScaleLoad(const Params& params, const OutBlock& block,
                                          int32_t group_idx) {
    const int32_t first_row = block.row_begin / kSfaStep * kSfaStep;
    first = params.sfa + group_idx * params.sfa_slab_stride + first_row;
    num_bytes =
        params.tma_sfa ? round_up(block.row_begin - first_row + block.num_rows, kSfaStep) * 4 : 0;
  }
};

// Starts the loads of the row scales of the k-block that begins at k_begin. Scale blocks past the
// end of k, which no consumer reads, get the last one's scales, so that each k-block has as many
// bytes.
template <Config kConfig>
__device__ __forceinline__ void load_row_scales(const RowScaleLoad& sfa, const Params& params,
                                                const Pipeline<kConfig>& pipeline,
                                                int32_t k_begin) {
#pragma unroll
  for (int i = 0; i < kConfig.scale_blocks_per_k_block(); ++i) {
    const int32_t idx = k_begin / kConfig.scale_k + i;
    const int32_t existing_idx = i == 0 ? idx : min(idx, params.num_scale_blocks - 1);
    ptx::bulk_load(pipeline.sfa() + i * sizeof(typename Pipeline<kConfig>::Scales),
                   sfa.first + existing_idx * params.sfa_k_stride, pipeline.full(), sfa.num_bytes);
  }
}

// Starts the load of a box, into the CTA or, for a multicast operand, into all CTAs of the cluster.
template <bool kMulticast, int kClusterSize>
__device__ __forceinline__ void load_box(uint32_t smem, const CUtensorMap& map, uint32_t full,
                                         int32_t k, int32_t row, int32_t matrix_idx) {
  constexpr uint16_t kAllRanks = (1u << kClusterSize) - 1;
  if constexpr (kMulticast) {
    ptx::tma_load_multicast(smem, map, full, k, row, matrix_idx, kAllRanks);
  } else {
    ptx::tma_load(smem, map, full, k, row, matrix_idx);
  }
}

// Loads the k-blocks of a tile. The warp runs through the loop together, so that addresses are
// uniform, and its leader starts the loads. Values that do not change from k-block to k-block stay
// out of the loop: with them inside, a k-block took this warp longer than the consumers.
// kWholeA: one load brings all rows of a.
template <Multicast kMulticast, bool kWholeA = false, Config kConfig>
__device__ __forceinline__ void load_k_blocks(const Params& params, const CtaTile& tile,
                                              Pipeline<kConfig>& pipeline, bool is_leader) {
  constexpr bool kMulticastA = kMulticast == Multicast::kA;
  constexpr bool kMulticastB = kMulticast == Multicast::kB;
  constexpr int kClusterSize = kConfig.cluster_size;
  const int num_a_boxes = ceil_div(tile.num_rows, kConfig.a_box_rows);
  const int num_b_boxes = ceil_div(tile.num_cols, kConfig.b_box_rows);
  static_assert(!kWholeA || (kClusterSize == 1 && kConfig.block_m <= 256));
  const CUtensorMap& a_map = kWholeA ? params.whole_a_map : params.a_map;
  constexpr int kMaxABoxes = kWholeA ? 1 : kConfig.block_m / kConfig.a_box_rows;
  const OperandBoxes<kMulticastA, kMaxABoxes, kClusterSize> a_boxes(kWholeA ? 1 : num_a_boxes);
  const OperandBoxes<kMulticastB, kConfig.block_n / kConfig.b_box_rows, kClusterSize> b_boxes(
      num_b_boxes);
  const RowScaleLoad sfa(params, tile, tile.group_idx);
  const int32_t slab_idx = min(tile.group_idx, params.last_slab_idx);
  const int b_box_bytes = kConfig.open_width ? tile.num_cols * kBlockK : kConfig.b_box_bytes();
  const uint32_t num_bytes = num_a_boxes * kConfig.a_box_bytes() + num_b_boxes * b_box_bytes +
                             sfa.num_bytes * kConfig.scale_blocks_per_k_block();
  const int32_t k_end = params.num_k_blocks * kBlockK;
  pipeline.make_uniform();
#pragma unroll 1
  for (int32_t k_begin = 0; k_begin < k_end; k_begin += kBlockK) {
    pipeline.wait_empty();
    if (is_leader) {
      const uint32_t full = pipeline.full();
      ptx::mbarrier_arrive_expect_bytes(full, num_bytes);
      b_boxes.for_each([&](int box) {
        const uint32_t smem = pipeline.b() + box * kConfig.b_box_bytes();
        const int32_t col = tile.col_begin + box * kConfig.b_box_rows;
        load_box<kMulticastB, kClusterSize>(smem, params.b_map, full, k_begin, col, tile.group_idx);
      });
      a_boxes.for_each([&](int box) {
        const uint32_t smem = pipeline.a() + box * kConfig.a_box_bytes();
        const int32_t row = tile.row_begin + box * kConfig.a_box_rows;
        load_box<kMulticastA, kClusterSize>(smem, a_map, full, k_begin, row, slab_idx);
      });
      if (sfa.num_bytes > 0) load_row_scales(sfa, params, pipeline, k_begin);
    }
    __syncwarp();
    pipeline.advance();
  }
}

// Loads a tile.
template <Config kConfig>
__device__ __forceinline__ void load_tile(const Params& params, const CtaTile& tile,
                                          Pipeline<kConfig>& pipeline, bool is_leader) {
  constexpr Multicast kSideBySide = kConfig.cluster_size > 1 ? Multicast::kA : Multicast::kNone;
  if constexpr (kConfig.is_small()) {
    load_deep_stages(params, tile, pipeline, is_leader);
  } else {
    if constexpr (kConfig.multicast == Multicast::kB) {
      if (tile.multicast == Multicast::kB) {
        return load_k_blocks<Multicast::kB>(params, tile, pipeline, is_leader);
      }
    }
    if constexpr (kConfig.whole_a_box) {
      if (tile.num_rows > kConfig.block_m - kConfig.a_box_rows) {
        return load_k_blocks<kSideBySide, true>(params, tile, pipeline, is_leader);
      }
    }
    load_k_blocks<kSideBySide>(params, tile, pipeline, is_leader);
  }
}

// Loads the tiles that the scheduler warp finds.
template <Config kConfig>
__device__ __forceinline__ void load_found_tiles(const Params& params,
                                                 const TileRing<kConfig>& ring,
                                                 Pipeline<kConfig>& pipeline, bool is_leader) {
  for (uint32_t tile_idx = 0;; ++tile_idx) {
    const CtaTile tile = ring.wait(tile_idx);
    if (tile.num_rows == 0) return;
    load_tile(params, tile, pipeline, is_leader);
  }
}

// Finds tiles, publishes them in the tile ring, and loads them.
//
// Slots: record t is overwritten when record t + n is put into the ring of n slots. At that time
// all loads of the tiles before are started. Tiles t + 2 to t + n - 1 have at least num_stages
// stages, so consumers have emptied all stages of tiles t and t + 1. They are done with tile t,
// then. Each scale warp has filled one of these stages, and has read record t before.
template <Config kConfig>
__device__ __forceinline__ void find_and_load_tiles(const Params& params,
                                                    const TileRing<kConfig>& ring,
                                                    Pipeline<kConfig>& pipeline, bool is_leader) {
  static_assert(kConfig.num_tile_records() >= kConfig.num_stages + 2 && kNumScaleWarps == 2);
  TileSequence<kConfig> sequence(params);
  for (uint32_t tile_idx = 0;; ++tile_idx) {
    const CtaTile tile = sequence.tile();
    ring.put(tile_idx, tile);
    ring.publish(tile_idx);
    if (tile.num_rows == 0) return;
    load_tile(params, tile, pipeline, is_leader);
    if (tile.is_last) return;
    sequence.advance();
  }
}

template <Config kConfig>
__device__ __forceinline__ void prefetch_maps(const Params& params) {
  if constexpr (kConfig.is_small()) {
    ptx::tma_prefetch(params.deep_b_map);
    ptx::tma_prefetch(params.deep_a_map);
  } else {
    ptx::tma_prefetch(params.a_map);
    ptx::tma_prefetch(params.b_map);
  }
}

// Runs the load warp. Boxes of a past the group's last row are left out.
template <Config kConfig>
__device__ __forceinline__ void run_load_warp(const Params& params, const TileRing<kConfig>& ring,
                                              Pipeline<kConfig> pipeline) {
  const bool is_leader = ptx::elect_one();
  if (is_leader) {
    pipeline.init();
    ring.init();
    ptx::mbarrier_init_fence();
    prefetch_maps<kConfig>(params);
  }
  __syncwarp();
  start_together<kConfig>();
  if constexpr (kConfig.has_scheduler_warp()) {
    load_found_tiles(params, ring, pipeline, is_leader);
  } else {
    // Other roles read or write global memory after the first record is published.
    find_and_load_tiles(params, ring, pipeline, is_leader);
  }
  if constexpr (kConfig.is_small()) return;
  // One more stage, without loads, tells the consumers that there is no further tile.
  pipeline.wait_empty();
  pipeline.signal_no_loads();
}

}  // namespace ggfp8::sm90
