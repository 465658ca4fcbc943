// The schedule of the groups: which rows belong to which group, and which group a tile index means.
//
// One definition for host and device: kernels run it with one thread per chunk of groups, tests
// run it serially against brute force. Groups are made disjoint and in-bounds here: a bound is the
// running maximum of m_indptr clamped to [0, cum_m], so a malformed m_indptr costs no more work
// than a good one and reaches no row outside the arrays.
//
//   chunk      a run of groups_per_chunk groups, the unit one thread prepares
//   ChunkStart the state before a chunk: the row reached and the number of tiles
//   row tile   tile_m consecutive rows of one group; the last one of a group may be shorter
//   tile       the unit of counting: a row tile, or a piece that row tiles are cut into
#pragma once

#include <cstdint>

#include "core/math.h"
#include "core/problem.h"

namespace ggfp8 {

struct GroupSchedule {
  const int32_t* m_indptr;
  int32_t batch_size;
  int32_t cum_m;
  int32_t tile_m;
  int32_t groups_per_chunk;

  // A row tile of up to short_m rows is short, any other is long. Both kinds count as this many
  // tiles.
  int32_t short_m;
  int32_t tiles_per_long;
  int32_t tiles_per_short;
};

// Chunks that a kernel prepares, one per thread. More would cost shared memory, fewer would make
// the search of a group longer.
constexpr int kNumChunks = 64;

// The schedule of a validated problem, whose sizes fit: it counts row tiles.
inline GroupSchedule make_group_schedule(const Problem& problem, int32_t tile_m,
                                         int32_t num_chunks = kNumChunks) {
  const auto batch_size = static_cast<int32_t>(problem.batch_size);
  GroupSchedule schedule = {};
  schedule.m_indptr = problem.m_indptr;
  schedule.batch_size = batch_size;
  schedule.cum_m = static_cast<int32_t>(problem.cum_m);
  schedule.tile_m = tile_m;
  schedule.groups_per_chunk = ceil_div(batch_size, num_chunks);
  schedule.tiles_per_long = 1;
  return schedule;
}

struct ChunkStart {
  int32_t row;        // running maximum of the bounds up to the chunk's first group
  int32_t num_tiles;  // of all groups before the chunk
};

// The rows of one group and its place in the sequence of tiles.
struct GroupTiles {
  int32_t group_idx;
  int32_t row_begin;
  int32_t row_end;
  int32_t first_tile_idx;
  int32_t num_tiles;
};

// The row tiles of a group.
struct RowTiles {
  int32_t num_long;
  bool has_short;  // after the long row tiles
};

GGFP8_HOST_DEVICE inline RowTiles row_tiles(const GroupSchedule& schedule, int32_t num_rows) {
  const int32_t num_whole = num_rows / schedule.tile_m;
  const int32_t num_left = num_rows - num_whole * schedule.tile_m;
  return {num_whole + (num_left > schedule.short_m ? 1 : 0),
          num_left > 0 && num_left <= schedule.short_m};
}

GGFP8_HOST_DEVICE inline int32_t num_tiles_of_rows(const GroupSchedule& schedule,
                                                   int32_t num_rows) {
  const RowTiles tiles = row_tiles(schedule, num_rows);
  return tiles.num_long * schedule.tiles_per_long +
         (tiles.has_short ? schedule.tiles_per_short : 0);
}

GGFP8_HOST_DEVICE inline int32_t clamped_bound(const GroupSchedule& schedule, int32_t idx) {
  return clamp_to(schedule.m_indptr[idx], 0, schedule.cum_m);
}

// Returns the largest bound inside a chunk: the ends of its groups and, in the first chunk, the
// first row.
GGFP8_HOST_DEVICE inline int32_t chunk_row_max(const GroupSchedule& schedule, int32_t chunk_idx) {
  const int32_t first = chunk_idx * schedule.groups_per_chunk;
  const int32_t last = min_of(first + schedule.groups_per_chunk, schedule.batch_size);
  int32_t row = chunk_idx == 0 ? clamped_bound(schedule, 0) : 0;
  for (int32_t group = first; group < last; ++group) {
    row = max_of(row, clamped_bound(schedule, group + 1));
  }
  return row;
}

// Returns the number of tiles of a chunk, given the row reached before it.
GGFP8_HOST_DEVICE inline int32_t chunk_num_tiles(const GroupSchedule& schedule, int32_t chunk_idx,
                                                 int32_t row) {
  const int32_t first = chunk_idx * schedule.groups_per_chunk;
  const int32_t last = min_of(first + schedule.groups_per_chunk, schedule.batch_size);
  int32_t num_tiles = 0;
  for (int32_t group = first; group < last; ++group) {
    const int32_t end = max_of(row, clamped_bound(schedule, group + 1));
    num_tiles += num_tiles_of_rows(schedule, end - row);
    row = end;
  }
  return num_tiles;
}

// Returns the group of a tile. Precondition: the tile lies in this chunk.
GGFP8_HOST_DEVICE inline GroupTiles find_group(const GroupSchedule& schedule,
                                               const ChunkStart& start, int32_t chunk_idx,
                                               int32_t tile_idx) {
  int32_t row = start.row;
  int32_t first_tile_idx = start.num_tiles;
  int32_t group = chunk_idx * schedule.groups_per_chunk;
  for (;; ++group) {
    const int32_t end = max_of(row, clamped_bound(schedule, group + 1));
    const int32_t num_tiles = num_tiles_of_rows(schedule, end - row);
    if (tile_idx < first_tile_idx + num_tiles || group + 1 >= schedule.batch_size) {
      return {group, row, end, first_tile_idx, num_tiles};
    }
    first_tile_idx += num_tiles;
    row = end;
  }
}

}  // namespace ggfp8
