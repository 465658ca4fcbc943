// The loads of shapes whose stages have several k-blocks. One TMA load brings the rows of all
// k-blocks of a stage: starting a load takes the warp about 60 cycles, more than the bytes of a
// small block.
//
// A stage has groups of eight rows of a, as many as the tile needs; in a group, the k-blocks follow
// each other:
//
//   rows     0 to 7                    8 to 15                   ...
//   k-block  | 0   | 1   | 2   | 3   | | 0   | 1   | 2   | 3   |
//
// A load brings one group. Rows that are not loaded save time: an SM takes in a row of 128 bytes in
// 2.5 cycles, whether the row exists or not. wgmma reads 64 rows in any case; those past the loaded
// ones are computed and never stored.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_pipeline.cuh"
#include "backends/sm90/sm90_tile_ring.cuh"
#include "ptx/tma.cuh"

namespace ggfp8::sm90 {

// Bytes from a group of rows to the next.
template <Config kConfig>
constexpr int kRowGroupBytes = kConfig.k_blocks_per_stage * kConfig.a_box_bytes();

// Returns how many rows of a each k-block of a tile takes in a stage.
template <Config kConfig>
__device__ __forceinline__ int loaded_rows(const OutBlock& block) {
  return round_up(block.num_rows, kConfig.a_box_rows);
}

// Loads a stage by deep boxes. k-blocks past the end of a row arrive as zeros.
template <Config kConfig>
__device__ __forceinline__ void load_deep_boxes(const Params& params, const CtaTile& tile,
                                                const Pipeline<kConfig>& pipeline, int k_block_idx,
                                                int num_rows) {
  constexpr int kPerStage = kConfig.k_blocks_per_stage;
  const uint32_t full = pipeline.full();
  ptx::mbarrier_arrive_expect_bytes(full, (num_rows + kConfig.block_n) * kPerStage * kBlockK);
  ptx::tma_load_deep(pipeline.b(), params.deep_b_map, full, 0, tile.col_begin, k_block_idx,
                     tile.group_idx);
  const int32_t slab_idx = min(tile.group_idx, params.last_slab_idx);
#pragma unroll 1
  for (int row = 0; row < num_rows; row += kConfig.a_box_rows) {
    ptx::tma_load_deep(pipeline.a() + row / kConfig.a_box_rows * kRowGroupBytes<kConfig>,
                       params.deep_a_map, full, 0, tile.row_begin + row, k_block_idx, slab_idx);
  }
}

// Loads a stage box by box, because its last k-block has fewer than kBlockK k: the rest of that
// k-block arrives as zeros.
template <Config kConfig>
__device__ __forceinline__ void load_stage_by_k_blocks(const Params& params, const CtaTile& tile,
                                                       const Pipeline<kConfig>& pipeline,
                                                       int k_block_idx, int num_rows) {
  const uint32_t full = pipeline.full();
  const int num_k_blocks = params.num_k_blocks - k_block_idx;
  const int32_t slab_idx = min(tile.group_idx, params.last_slab_idx);
  ptx::mbarrier_arrive_expect_bytes(full, (num_rows + kConfig.block_n) * num_k_blocks * kBlockK);
#pragma unroll 1
  for (int i = 0; i < num_k_blocks; ++i) {
    const int32_t k = (k_block_idx + i) * kBlockK;
    ptx::tma_load(pipeline.b() + i * kConfig.b_bytes(), params.b_map, full, k, tile.col_begin,
                  tile.group_idx);
#pragma unroll 1
    for (int row = 0; row < num_rows; row += kConfig.a_box_rows) {
      ptx::tma_load(pipeline.a() + row / kConfig.a_box_rows * kRowGroupBytes<kConfig> +
                        i * kConfig.a_box_bytes(),
                    params.a_map, full, k, tile.row_begin + row, slab_idx);
    }
  }
}

// Loads the stages of a tile. The warp runs through the loop together.
template <Config kConfig>
__device__ __forceinline__ void load_deep_stages(const Params& params, const CtaTile& tile,
                                                 Pipeline<kConfig>& pipeline, bool is_leader) {
  constexpr int kPerStage = kConfig.k_blocks_per_stage;
  static_assert(kConfig.cluster_size == 1 && kConfig.b_box_rows == kConfig.block_n);
  const int num_rows = loaded_rows<kConfig>(tile);
  const int num_k_blocks = params.num_k_blocks;
  const int num_full = params.num_full_k_blocks;
  pipeline.make_uniform();
#pragma unroll 1
  for (int k_block_idx = 0; k_block_idx < num_k_blocks; k_block_idx += kPerStage) {
    pipeline.wait_empty();
    if (is_leader) {
      if (num_full == num_k_blocks || k_block_idx + kPerStage <= num_full) {
        load_deep_boxes(params, tile, pipeline, k_block_idx, num_rows);
      } else {
        load_stage_by_k_blocks(params, tile, pipeline, k_block_idx, num_rows);
      }
    }
    __syncwarp();
    pipeline.advance();
  }
}

}  // namespace ggfp8::sm90
