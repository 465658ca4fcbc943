// The scheduler warp: finds the CTA's tiles ahead of time, publishes them in the tile ring, takes
// them back from the consumers, and starts their TMA stores. A search takes about a thousand
// cycles and the stores of a tile several hundred; neither the other producers nor the consumers
// have these between two tiles.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_pipeline.cuh"
#include "backends/sm90/sm90_tile_ring.cuh"
#include "backends/sm90/sm90_tile_sequence.cuh"
#include "ptx/elect.cuh"
#include "ptx/tma.cuh"

namespace ggfp8::sm90 {

// Starts the TMA stores of a warpgroup's full boxes and waits until the boxes are read.
// Precondition: the warpgroup has released the tile. Warp-collective.
template <Config kConfig>
__device__ __forceinline__ void store_boxes(const Params& params, const CtaTile& tile,
                                            int warpgroup, const TileRing<kConfig>& ring,
                                            bool is_leader) {
  const auto part = WarpgroupPart::make<kConfig>(tile, warpgroup);
  if (!part.template is_full_width<kConfig>() || !is_leader) return;
  ptx::tma_store_fence();
  const int32_t row_end = tile.row_begin + tile.num_rows;
  const int32_t slab_idx = min(tile.group_idx, params.last_slab_idx);
#pragma unroll 1
  for (int warp = 0; warp < 4; ++warp) {
    const int32_t row = tile.row_begin + part.row_begin + warp * kStoreBoxRows;
    if (!is_full_box(row, row_end)) break;
#pragma unroll
    for (int i = 0; i < kConfig.num_store_boxes(); ++i) {
      ptx::tma_store(params.out_map, ring.store_boxes(warpgroup * 4 + warp) + i * kStoreBoxBytes,
                     (tile.col_begin + i * 64) * 2, row, slab_idx);
    }
  }
  ptx::tma_store_commit();
  ptx::tma_store_wait_read();
}

// Runs the scheduler warp.
//
// Slots: record t is overwritten when record t + num_tile_records() is put into the ring. Then
// tiles up to t + kNumScaleWarps - 1 are released by all consumers. A scale warp has at least one
// stage in any kNumScaleWarps consecutive tiles, so it has read record t by then.
//
// No deadlock: a consumer that has a part of tile t may wait for the first stage of tile t + 1
// before it releases tile t. So tile t + 1 must be published before this warp waits for a release
// of tile t. It is, whichever of these ends the publishing:
//
//   tiles up to t + kMaxAhead - 1 are published   tile t + 1 is one of them
//   the tile without rows is published            it is tile t + 1 or a later tile, or tile t
//                                                 itself, for which this warp does not wait
//   warpgroup 0 has released tile t               it has a part of every tile of which any
//                                                 warpgroup has a part, so if others wait for tile
//                                                 t + 1 before their release, it did, too
template <Config kConfig>
__device__ __forceinline__ void run_scheduler_warp(const Params& params,
                                                   const TileRing<kConfig>& ring) {
  constexpr uint32_t kMaxAhead = kConfig.num_tile_records() - kNumScaleWarps + 1;
  const bool is_leader = ptx::elect_one();
  // No other role reads or writes global memory before the CTA has met.
  TileSequence<kConfig> sequence(params);
  ring.put(0, sequence.tile());
  start_together<kConfig>();
  ring.publish(0);
  uint32_t num_published = 1;
  for (uint32_t tile_idx = 0;; ++tile_idx) {
    while (!sequence.done() && num_published < tile_idx + kMaxAhead &&
           !ring.is_released(0, tile_idx)) {
      sequence.advance();
      ring.put(num_published, sequence.tile());
      ring.publish(num_published);
      ++num_published;
    }
    const CtaTile tile = ring.get(tile_idx);
    if (tile.num_rows == 0) return;
#pragma unroll 1
    for (int warpgroup = 0; warpgroup < kConfig.num_consumers; ++warpgroup) {
      ring.wait_released(warpgroup, tile_idx);
      if (kConfig.tma_store && params.tma_store) {
        store_boxes(params, tile, warpgroup, ring, is_leader);
      }
      ring.take(warpgroup);
    }
  }
}

}  // namespace ggfp8::sm90
