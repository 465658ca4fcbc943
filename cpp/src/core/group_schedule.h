// Which group a tile index means.
//
// One definition for host and device: kernels run it with one thread per chunk of groups, tests
// run it serially against brute force. core/group_layout.h says which rows a group has; they are
// disjoint and in bounds for any content of the group array.
//
//   chunk      a run of groups_per_chunk groups, the unit one thread prepares
//   ChunkStart the state before a chunk: the row reached and the number of tiles
//   row tile   tile_m consecutive rows of one group; the last one of a group may be shorter
//   tile       the unit of counting: a row tile, unless a backend counts other tiles
//
// A backend that counts other tiles derives its schedule from GroupSchedule and overloads
// num_tiles_of_rows(); the functions that count tiles take any such schedule.
#pragma once

#include <cstdint>

#include "core/group_layout.h"
#include "core/math.h"
#include "core/problem.h"

namespace ggfp8 {

struct GroupSchedule {
  GroupLayout layout;
  int32_t tile_m;
  int32_t groups_per_chunk;
};

// Chunks that a kernel prepares, one per thread. More would cost shared memory, fewer would make
// the search of a group longer.
constexpr int kNumChunks = 64;

// The schedule of a validated problem, whose sizes fit: it counts row tiles.
inline GroupSchedule make_group_schedule(const Problem& problem, int32_t tile_m,
                                         int32_t num_chunks = kNumChunks) {
  const GroupLayout layout = group_layout_of(problem);
  return {layout, tile_m, ceil_div(layout.num_groups, num_chunks)};
}

struct ChunkStart {
  int32_t reached_row;  // core/group_layout.h
  int32_t num_tiles;    // of all groups before the chunk
};

// The rows of one group in its slab, and its place in the sequence of tiles.
struct GroupTiles {
  int32_t group_idx;
  int32_t row_begin;
  int32_t row_end;
  int32_t first_tile_idx;
  int32_t num_tiles;
};

// Returns the number of tiles of a group with this many rows.
GGFP8_HOST_DEVICE inline int32_t num_tiles_of_rows(const GroupSchedule& schedule,
                                                   int32_t num_rows) {
  return ceil_div(num_rows, schedule.tile_m);
}

// The groups of a chunk: from `first` to before `last`. Chunks after the last group have none.
struct ChunkGroups {
  int32_t first;
  int32_t last;
};

GGFP8_HOST_DEVICE inline ChunkGroups groups_of_chunk(const GroupSchedule& schedule,
                                                     int32_t chunk_idx) {
  const int32_t first = chunk_idx * schedule.groups_per_chunk;
  return {first, min_of(first + schedule.groups_per_chunk, schedule.layout.num_groups)};
}

// Returns the gain of a chunk's groups; that of the first chunk includes the row reached before it.
GGFP8_HOST_DEVICE inline int32_t chunk_gain(const GroupSchedule& schedule, int32_t chunk_idx) {
  const ChunkGroups groups = groups_of_chunk(schedule, chunk_idx);
  const int32_t gain = gain_of_groups(schedule.layout, groups.first, groups.last);
  if (chunk_idx != 0) return gain;
  return combine_gains(schedule.layout, first_reached_row(schedule.layout), gain);
}

// Returns the number of tiles of a chunk, given the row reached before it.
template <class Schedule>
GGFP8_HOST_DEVICE inline int32_t chunk_num_tiles(const Schedule& schedule, int32_t chunk_idx,
                                                 int32_t reached_row) {
  const ChunkGroups groups = groups_of_chunk(schedule, chunk_idx);
  int32_t num_tiles = 0;
  GGFP8_NO_UNROLL for (int32_t group = groups.first; group < groups.last; ++group) {
    const GroupRows rows = rows_of_group(schedule.layout, reached_row, group);
    num_tiles += num_tiles_of_rows(schedule, rows.end - rows.begin);
    reached_row = rows.reached;
  }
  return num_tiles;
}

// Returns the group of a tile. Precondition: the tile lies in this chunk.
template <class Schedule>
GGFP8_HOST_DEVICE inline GroupTiles find_group(const Schedule& schedule, const ChunkStart& start,
                                               int32_t chunk_idx, int32_t tile_idx) {
  int32_t reached_row = start.reached_row;
  int32_t first_tile_idx = start.num_tiles;
  int32_t group = chunk_idx * schedule.groups_per_chunk;
  GGFP8_NO_UNROLL for (;; ++group) {
    const GroupRows rows = rows_of_group(schedule.layout, reached_row, group);
    const int32_t num_tiles = num_tiles_of_rows(schedule, rows.end - rows.begin);
    if (tile_idx < first_tile_idx + num_tiles || group + 1 >= schedule.layout.num_groups) {
      return {group, rows.begin, rows.end, first_tile_idx, num_tiles};
    }
    first_tile_idx += num_tiles;
    reached_row = rows.reached;
  }
}

}  // namespace ggfp8
