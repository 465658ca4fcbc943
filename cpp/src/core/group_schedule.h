// Which rows belong to which group, and which row tile a tile index means.
//
// One definition for host and device: kernels run it with one thread per chunk of groups, tests
// run it serially against brute force. Groups are made disjoint and in-bounds here: a bound is the
// running maximum of m_indptr clamped to [0, cum_m], so a malformed m_indptr costs no more work
// than a good one and reaches no row outside the arrays.
//
//   chunk      a run of groups_per_chunk groups, the unit one thread prepares
//   ChunkStart the state in front of a chunk: the row reached and the row tiles used up
//   m tile     tile_m consecutive rows of one group; the last one of a group may be shorter
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
};

// Chunks that a kernel prepares, one per thread. More would cost shared memory, fewer longer walks.
constexpr int kNumChunks = 64;

// The schedule of a validated problem, whose sizes fit.
inline GroupSchedule make_group_schedule(const Problem& problem, int32_t tile_m,
                                         int32_t num_chunks = kNumChunks) {
  const auto batch_size = static_cast<int32_t>(problem.batch_size);
  return {problem.m_indptr, batch_size, static_cast<int32_t>(problem.cum_m), tile_m,
          ceil_div(batch_size, num_chunks)};
}

struct ChunkStart {
  int32_t row;          // running maximum of the bounds up to the chunk's first group
  int32_t num_m_tiles;  // row tiles of all groups in front of the chunk
};

// The rows of one group and its place in the sequence of row tiles.
struct GroupTiles {
  int32_t group_idx;
  int32_t row_begin;
  int32_t row_end;
  int32_t first_m_tile_idx;
  int32_t num_m_tiles;
};

GGFP8_HOST_DEVICE inline int32_t clamped_bound(const GroupSchedule& schedule, int32_t idx) {
  return clamp_to(schedule.m_indptr[idx], 0, schedule.cum_m);
}

// The largest bound inside a chunk: of the end of each of its groups, and of the very first row.
GGFP8_HOST_DEVICE inline int32_t chunk_row_max(const GroupSchedule& schedule, int32_t chunk_idx) {
  const int32_t first = chunk_idx * schedule.groups_per_chunk;
  const int32_t last = min_of(first + schedule.groups_per_chunk, schedule.batch_size);
  int32_t row = chunk_idx == 0 ? clamped_bound(schedule, 0) : 0;
  for (int32_t group = first; group < last; ++group) {
    row = max_of(row, clamped_bound(schedule, group + 1));
  }
  return row;
}

// Row tiles of one chunk, given the row reached in front of it.
GGFP8_HOST_DEVICE inline int32_t chunk_num_m_tiles(const GroupSchedule& schedule, int32_t chunk_idx,
                                                   int32_t row) {
  const int32_t first = chunk_idx * schedule.groups_per_chunk;
  const int32_t last = min_of(first + schedule.groups_per_chunk, schedule.batch_size);
  int32_t num_m_tiles = 0;
  for (int32_t group = first; group < last; ++group) {
    const int32_t end = max_of(row, clamped_bound(schedule, group + 1));
    num_m_tiles += ceil_div(end - row, schedule.tile_m);
    row = end;
  }
  return num_m_tiles;
}

struct TilePlace {
  int32_t m_tile_idx;  // in the group
  int32_t n_tile_idx;
};

// No group has as many row tiles.
constexpr int32_t kNoBands = 1 << 29;

// A group's tiles run rows first: all its row tiles of the same columns, then those of the next. A
// group of more than twice band_size row tiles runs in bands of so many, which are walked one after
// the other: more rows of a than the L2 cache holds would be read again for every few columns.
template <class Index>
GGFP8_HOST_DEVICE inline TilePlace place_in_group(Index tile_idx, int32_t num_m_tiles,
                                                  int32_t num_n_tiles, int32_t band_size) {
  int32_t first_m_tile = 0;
  if (num_m_tiles > 2 * band_size) {
    const Index band_tiles = Index{band_size} * num_n_tiles;
    const auto band_idx = static_cast<int32_t>(tile_idx / band_tiles);
    tile_idx -= band_idx * band_tiles;
    first_m_tile = band_idx * band_size;
    num_m_tiles = min_of(band_size, num_m_tiles - first_m_tile);
  }
  return {first_m_tile + static_cast<int32_t>(tile_idx % num_m_tiles),
          static_cast<int32_t>(tile_idx / num_m_tiles)};
}

// The group that owns row tile m_tile_idx, which must lie in this chunk.
GGFP8_HOST_DEVICE inline GroupTiles find_group(const GroupSchedule& schedule,
                                               const ChunkStart& start, int32_t chunk_idx,
                                               int32_t m_tile_idx) {
  int32_t row = start.row;
  int32_t first_m_tile_idx = start.num_m_tiles;
  int32_t group = chunk_idx * schedule.groups_per_chunk;
  for (;; ++group) {
    const int32_t end = max_of(row, clamped_bound(schedule, group + 1));
    const int32_t num_m_tiles = ceil_div(end - row, schedule.tile_m);
    if (m_tile_idx < first_m_tile_idx + num_m_tiles || group + 1 >= schedule.batch_size) {
      return {group, row, end, first_m_tile_idx, num_m_tiles};
    }
    first_m_tile_idx += num_m_tiles;
    row = end;
  }
}

}  // namespace ggfp8
