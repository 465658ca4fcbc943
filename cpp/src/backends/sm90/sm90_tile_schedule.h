// The schedule of sm90: how many tiles of clusters a group has. A row tile of up to short_m rows is
// short: one CTA of a cluster with multicast b holds all its rows, and two column tiles of it count
// as one tile (sm90_rasterization.h).
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_config.h"
#include "core/group_schedule.h"
#include "core/math.h"

namespace ggfp8::sm90 {

// Chunks that the finder prepares, one per lane.
constexpr int kNumLaneChunks = 32;

struct TileSchedule : GroupSchedule {
  int32_t short_m;  // 0: no row tile is short
  int32_t tiles_per_long;
  int32_t tiles_per_short;
};

// The row tiles of a group.
struct RowTiles {
  int32_t num_long;
  bool has_short;  // after the long row tiles
};

GGFP8_HOST_DEVICE inline RowTiles row_tiles(const TileSchedule& schedule, int32_t num_rows) {
  const int32_t num_full = quotient(num_rows, schedule.tile_m);
  const int32_t num_left = num_rows - num_full * schedule.tile_m;
  return {num_full + (num_left > schedule.short_m ? 1 : 0),
          num_left > 0 && num_left <= schedule.short_m};
}

// Returns the number of tiles of a group with this many rows. core/group_schedule.h calls it.
GGFP8_HOST_DEVICE inline int32_t num_tiles_of_rows(const TileSchedule& schedule, int32_t num_rows) {
  const RowTiles tiles = row_tiles(schedule, num_rows);
  return tiles.num_long * schedule.tiles_per_long +
         (tiles.has_short ? schedule.tiles_per_short : 0);
}

// Returns the schedule of a validated problem, with tiles of tile_n columns.
inline TileSchedule make_tile_schedule(const Problem& problem, const Shape& shape, int tile_n) {
  const auto num_n_tiles = static_cast<int32_t>(ceil_div<int64_t>(problem.n, tile_n));
  return {make_group_schedule(problem, shape.cluster_m(), kNumLaneChunks), shape.short_m(),
          num_n_tiles, ceil_div(num_n_tiles, 2)};
}

}  // namespace ggfp8::sm90
