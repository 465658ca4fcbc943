// The producer warp that finds tiles, ahead of everybody who works on them, and takes finished ones
// from the consumers. A search takes about a thousand cycles, which the other producers do not have
// between tiles.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_tile_ring.cuh"
#include "backends/sm90/sm90_tile_sequence.cuh"
#include "ptx/elect.cuh"

namespace ggfp8::sm90 {

// One warp. prepare() has found the first tile.
template <Config kConfig>
__device__ __forceinline__ void find_tiles(const Params& params, TileStorage& storage,
                                           const OutBoxes<kConfig>& boxes) {
  // Every scale warp reads the records of all tiles, also of those of which it has no k-block. It
  // is sure to have read one when from there on as many tiles are finished as there are such warps.
  constexpr uint32_t kMaxAhead = kNumTileRecords - kNumScaleWarps + 1;
  // A consumer may ask for the next tile before it is done with this one. Then it is known: this
  // warp stops ahead of it only when the first warpgroup is done with this one, which has a part
  // wherever another one has, and has asked, too.
  const bool is_leader = ptx::elect_one();
  TileSequence<kConfig> tiles(params, storage);
  uint32_t num_known = 1;
  for (uint32_t tile_idx = 0;; ++tile_idx) {
    while (!tiles.done() && num_known < tile_idx + kMaxAhead && !boxes.is_filled(0, tile_idx)) {
      tiles.advance();
      publish_tile(storage, num_known, tiles.tile());
      ++num_known;
    }
    const OutBlock tile = known_tile(storage, tile_idx);
    if (tile.num_rows == 0) return;
#pragma unroll 1
    for (int warpgroup = 0; warpgroup < kConfig.num_consumers; ++warpgroup) {
      boxes.wait_filled(warpgroup, tile_idx);
      if (kConfig.tma_store && params.tma_store) {
        start_boxes(params, tile, warpgroup, boxes, is_leader);
      }
      boxes.signal_free(warpgroup);
    }
  }
}

}  // namespace ggfp8::sm90
