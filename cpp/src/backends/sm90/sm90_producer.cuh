// The two producer roles: one thread starts the bulk copies of the tiles, one warp copies the
// scales, which may lie at any row and with either index running fastest.
//
// A tile of a may reach into the next group: its rows are computed and never stored, and what they
// hold stays in their own accumulators.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_pipeline.cuh"
#include "core/tile_scheduler.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/tma.cuh"

namespace ggfp8::sm90 {

// One thread.
template <Config kConfig>
__device__ __forceinline__ void produce_tiles(const Params& params, const ScheduleStorage& storage,
                                              Pipeline<kConfig> pipeline) {
  const int64_t num_tiles = int64_t{storage.num_m_tiles} * params.num_n_tiles;
  for (int64_t tile_idx = blockIdx.x; tile_idx < num_tiles; tile_idx += gridDim.x) {
    const Tile tile = find_tile(params.schedule, storage, params.num_n_tiles, kTileN, tile_idx);
    for (int k_block_idx = 0; k_block_idx < params.num_k_blocks; ++k_block_idx) {
      pipeline.wait_empty();
      ptx::mbarrier_arrive_expect_bytes(pipeline.full(), kConfig.stage_bytes());
      const int32_t k_begin = k_block_idx * kTileK;
      ptx::tma_load(pipeline.a_tile(), params.a_map, pipeline.full(), k_begin, tile.row_begin);
      ptx::tma_load(pipeline.b_tile(), params.b_map, pipeline.full(), k_begin, tile.col_begin,
                    tile.group_idx);
      pipeline.advance();
    }
  }
}

// One warp.
template <Config kConfig>
__device__ __forceinline__ void produce_scales(const Params& params, const ScheduleStorage& storage,
                                               Pipeline<kConfig> pipeline) {
  constexpr int kPasses = (kConfig.tile_m + 31) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int32_t gm = params.granularity_m;
  const int64_t num_tiles = int64_t{storage.num_m_tiles} * params.num_n_tiles;
  for (int64_t tile_idx = blockIdx.x; tile_idx < num_tiles; tile_idx += gridDim.x) {
    const Tile tile = find_tile(params.schedule, storage, params.num_n_tiles, kTileN, tile_idx);
    const float* sfa[kPasses];
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      const int32_t row = tile.row_begin + pass * 32 + lane;
      const int32_t m_block =
          gm == 1 ? row : tile.group_row_begin / gm + (row - tile.group_row_begin) / gm;
      sfa[pass] = params.sfa + m_block * params.sfa_m_stride;
    }
    const float* sfb = params.sfb + tile.group_idx * params.sfb_group_stride +
                       tile.col_begin / kTileN * params.sfb_n_stride;
    for (int k_block_idx = 0; k_block_idx < params.num_k_blocks; ++k_block_idx) {
      pipeline.wait_empty();
      const uint32_t smem = pipeline.scales();
#pragma unroll
      for (int pass = 0; pass < kPasses; ++pass) {
        const int idx = pass * 32 + lane;
        if (idx < kConfig.tile_m) {
          ptx::cp_async_4_or_zero(smem + idx * 4, sfa[pass] + k_block_idx * params.sfa_k_stride,
                                  tile.row_begin + idx < tile.row_end);
        }
      }
      if (lane == 0) {
        ptx::cp_async_4_or_zero(smem + kConfig.tile_m * 4, sfb + k_block_idx * params.sfb_k_stride,
                                true);
      }
      ptx::mbarrier_await_copies(pipeline.full());
      ptx::mbarrier_arrive(pipeline.full());
      pipeline.advance();
    }
  }
}

}  // namespace ggfp8::sm90
