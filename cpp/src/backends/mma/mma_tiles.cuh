// The part of the output that a tile index means: groups ascend, then columns, then rows. CTA i of
// c computes tiles i, i + c, i + 2c, ...
#pragma once

#include <cstdint>

#include "backends/mma/mma_config.h"
#include "backends/mma/mma_params.h"
#include "core/math.h"
#include "device/tile_scheduler.cuh"

namespace ggfp8::mma {

struct Tile {
  int32_t group_idx;
  int32_t group_row_begin;  // first row of the group, in its slab
  int32_t row_begin;        // first row of the tile
  int32_t row_end;          // the row after its last
  int32_t col_begin;        // first column
};

__device__ __forceinline__ int64_t num_tiles(const Params& params, const ScheduleStorage& storage) {
  return int64_t{storage.num_tiles} * params.num_n_tiles;
}

// Returns the tile with this index, below num_tiles. Warp-collective.
template <Config kConfig>
__device__ __forceinline__ Tile find_tile(const Params& params, const ScheduleStorage& storage,
                                          int64_t tile_idx) {
  // Any index inside the group's range of tiles finds the group; its rows then run first.
  const auto m_tile_idx = static_cast<int32_t>(tile_idx / params.num_n_tiles);
  const GroupTiles group = find_group(params.schedule, storage, m_tile_idx);
  const int64_t local_idx = tile_idx - int64_t{group.first_tile_idx} * params.num_n_tiles;
  const auto n_tile_idx = static_cast<int32_t>(local_idx / group.num_tiles);
  const int32_t row_begin =
      group.row_begin + static_cast<int32_t>(local_idx % group.num_tiles) * kConfig.tile_m;
  return {group.group_idx, group.row_begin, row_begin,
          min_of(row_begin + kConfig.tile_m, group.row_end), n_tile_idx * kConfig.tile_n};
}

}  // namespace ggfp8::mma
