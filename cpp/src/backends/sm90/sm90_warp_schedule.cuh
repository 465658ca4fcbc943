// The chunk starts of core/group_schedule.h in the registers of one warp, one chunk per lane, and
// the search of a tile's group. device/tile_scheduler.cuh keeps them in shared memory for a CTA.
//
// A lane keeps where its groups are if its chunk has up to kMaxKept of them: all are read at
// once, and the search of a group reads no memory. If the bounds of more groups ascend, the search
// reads those of one chunk, a group per lane. Every instruction counts here, since a call waits for
// its first tile.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_tile_schedule.h"
#include "core/group_schedule.h"
#include "ptx/shuffle.cuh"

namespace ggfp8::sm90 {

template <int kMaxKept>
class WarpSchedule {
 public:
  // Reads the group array. Precondition: the schedule has kNumLaneChunks chunks. Warp-collective.
  __device__ __forceinline__ explicit WarpSchedule(const TileSchedule& schedule) {
    if (has_group_per_lane(schedule)) {
      read_groups<1>(schedule);
    } else if (keeps_groups(schedule)) {
      read_groups<kMaxKept>(schedule);
    } else {
      num_tiles_ = read_chunks(schedule);
      add_up();
    }
  }

  // Returns the number of tiles of all groups.
  __device__ __forceinline__ int32_t total_tiles() const { return total_tiles_; }

  // The lane that knows the group of a tile, and in that lane the group.
  struct Found {
    int32_t lane;  // -1: the tile does not exist
    GroupTiles group;
  };

  // Finds the group of a tile. Warp-collective.
  __device__ __forceinline__ Found find(const TileSchedule& schedule, int32_t tile_idx) const {
    const auto idx_in_chunk = static_cast<uint32_t>(tile_idx - start_.num_tiles);
    const bool is_here = idx_in_chunk < static_cast<uint32_t>(num_tiles_);
    const int32_t lane_idx = 31 - __clz(static_cast<int>(__ballot_sync(kAllLanes, is_here)));
    if (has_group_per_lane(schedule)) {
      return {lane_idx, {lane(), row_begin_[0], row_end_[0], start_.num_tiles, num_tiles_}};
    }
    if (keeps_groups(schedule)) return {lane_idx, find_kept(schedule, tile_idx)};
    if (lane_idx < 0) return {lane_idx, {}};
    if (is_ascending_) return find_ascending(schedule, lane_idx, tile_idx);
    const ChunkStart start = {from_lane(lane_idx, start_.reached_row),
                              from_lane(lane_idx, start_.num_tiles)};
    return {lane_idx, ggfp8::find_group(schedule, start, lane_idx, tile_idx)};
  }

  // Returns what a lane has. Warp-collective.
  __device__ __forceinline__ static int32_t from_lane(int32_t lane, int32_t value) {
    return __shfl_sync(kAllLanes, value, lane);
  }

 private:
  static constexpr uint32_t kAllLanes = 0xFFFFFFFFu;
  static constexpr int32_t kNumLanes = 32;

  __device__ __forceinline__ static int32_t lane() {
    return static_cast<int32_t>(threadIdx.x % 32);
  }

  __device__ __forceinline__ static bool has_group_per_lane(const TileSchedule& schedule) {
    return schedule.groups_per_chunk <= 1;
  }

  __device__ __forceinline__ static bool keeps_groups(const TileSchedule& schedule) {
    return schedule.groups_per_chunk <= kMaxKept;
  }

  // Combines the values of the lanes before each lane; 0, which is neutral, for the first.
  template <class Operation>
  __device__ __forceinline__ static int32_t exclusive_scan(int32_t value,
                                                           const Operation& combine) {
    int32_t inclusive = value;
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
      const int32_t other = __shfl_up_sync(kAllLanes, inclusive, distance);
      if (lane() >= distance) inclusive = combine(inclusive, other);
    }
    const int32_t shifted = __shfl_up_sync(kAllLanes, inclusive, 1);
    return lane() == 0 ? 0 : shifted;
  }

  // Adds up the values of the lanes before each lane. Three steps of shuffles that do not wait for
  // each other take less time than five steps of one.
  __device__ __forceinline__ static int32_t exclusive_sum(int32_t value) {
    int32_t of_4 = value;
    for (const int32_t distance : {1, 2, 3}) ptx::add_from_below(of_4, value, distance);
    int32_t of_16 = of_4;
    for (const int32_t distance : {4, 8, 12}) ptx::add_from_below(of_16, of_4, distance);
    int32_t of_32 = of_16;
    ptx::add_from_below(of_32, of_16, 16);
    return of_32 - value;
  }

  // Returns the row reached before the lane's chunk of this gain. `first` is the row reached before
  // the first group, which lane 0 knows.
  __device__ __forceinline__ static int32_t reached_before(const GroupLayout& layout, int32_t gain,
                                                           int32_t first) {
    if (lane() == 0) gain = combine_gains(layout, first, gain);
    const int32_t reached =
        exclusive_scan(gain, [&](int32_t x, int32_t y) { return combine_gains(layout, x, y); });
    return lane() == 0 ? first : reached;
  }

  // Finds the number of tiles before the lane's chunk, and of all groups.
  __device__ __forceinline__ void add_up() {
    start_.num_tiles = exclusive_sum(num_tiles_);
    total_tiles_ = from_lane(31, start_.num_tiles + num_tiles_);
  }

  // Reads and keeps the lane's groups, which are up to kMaxNum, and counts tiles. Counts at once as
  // if bounds ascended, and once more if they do not, as is rarely so.
  template <int kMaxNum>
  __device__ __forceinline__ void read_groups(const TileSchedule& schedule) {
    const GroupLayout& layout = schedule.layout;
    const ChunkGroups groups = groups_of_chunk(schedule, lane());
    const int32_t num_groups = max_of(groups.last - groups.first, 0);
    const auto entries = group_entries<kMaxNum>(layout, groups.first, num_groups);
    const bool ascend = bounds_ascend(layout, entries, num_groups);
    keep_ascending(schedule, entries);
    count_tiles<kMaxNum>(schedule);
    add_up();
    if (ascend) [[likely]]
      return;
    keep_any(schedule, entries);
    count_tiles<kMaxNum>(schedule);
    add_up();
  }

  // Counts the tiles of the lane's groups.
  template <int kMaxNum>
  __device__ __forceinline__ void count_tiles(const TileSchedule& schedule) {
    num_tiles_ = 0;
#pragma unroll
    for (int32_t i = 0; i < kMaxNum; ++i) {
      if (kMaxNum > 1 && i >= schedule.groups_per_chunk) break;
      tiles_before_[i] = num_tiles_;
      num_tiles_ += num_tiles_of_rows(schedule, row_end_[i] - row_begin_[i]);
    }
  }

  // Returns whether the groups have bounds, none of which is less than the bound before it.
  // Warp-collective.
  template <int kMaxNum>
  __device__ __forceinline__ static bool bounds_ascend(const GroupLayout& layout,
                                                       const GroupEntries<kMaxNum>& entries,
                                                       int32_t num_groups) {
    bool ascend = layout.kind == GroupKind::kIndptr;
    int32_t bound = entries.before;
#pragma unroll
    for (int32_t i = 0; i < kMaxNum; ++i) {
      ascend &= i >= num_groups || bound <= entries.values[i];
      bound = entries.values[i];
    }
    return __ballot_sync(kAllLanes, ascend) == kAllLanes;
  }

  // Keeps groups whose bounds ascend: a group has the rows between its bounds. Groups that do not
  // exist have none: their entries are 0.
  template <int kMaxNum>
  __device__ __forceinline__ void keep_ascending(const TileSchedule& schedule,
                                                 const GroupEntries<kMaxNum>& entries) {
    int32_t bound = entries.before;
#pragma unroll
    for (int32_t i = 0; i < kMaxNum; ++i) {
      if (kMaxNum > 1 && i >= schedule.groups_per_chunk) break;
      row_begin_[i] = bound;
      row_end_[i] = max_of(bound, entries.values[i]);
      bound = entries.values[i];
    }
  }

  // Keeps groups of any layout and content.
  template <int kMaxNum>
  __device__ __forceinline__ void keep_any(const TileSchedule& schedule,
                                           const GroupEntries<kMaxNum>& entries) {
    const GroupLayout& layout = schedule.layout;
    int32_t reached_row = 0;
    if (layout.kind != GroupKind::kMasked) {
      int32_t gain = 0;
#pragma unroll
      for (int32_t i = 0; i < kMaxNum; ++i) {
        gain = combine_gains(layout, gain, gain_of_value(layout, entries.values[i]));
      }
      reached_row = reached_before(layout, gain, entries.before);
    }
#pragma unroll
    for (int32_t i = 0; i < kMaxNum; ++i) {
      if (kMaxNum > 1 && i >= schedule.groups_per_chunk) break;
      const GroupRows rows = rows_of_value(layout, reached_row, entries.values[i]);
      row_begin_[i] = rows.begin;
      row_end_[i] = rows.end;
      reached_row = rows.reached;
    }
  }

  // Returns the group of a tile of the lane's chunk. It is the last group that starts at or before
  // the tile: groups without tiles before it start at the same tile, those after it later.
  __device__ __forceinline__ GroupTiles find_kept(const TileSchedule& schedule,
                                                  int32_t tile_idx) const {
    int32_t group = 0;
    int32_t row_begin = row_begin_[0];
    int32_t row_end = row_end_[0];
    int32_t tiles_before = 0;
#pragma unroll
    for (int32_t i = 1; i < kMaxKept; ++i) {
      if (i >= schedule.groups_per_chunk) break;
      if (start_.num_tiles + tiles_before_[i] <= tile_idx) {
        group = i;
        row_begin = row_begin_[i];
        row_end = row_end_[i];
        tiles_before = tiles_before_[i];
      }
    }
    return {lane() * schedule.groups_per_chunk + group, row_begin, row_end,
            start_.num_tiles + tiles_before, num_tiles_of_rows(schedule, row_end - row_begin)};
  }

  // Finds where the lane's chunk begins; returns the number of its tiles.
  __device__ __forceinline__ int32_t read_chunks(const TileSchedule& schedule) {
    const GroupLayout& layout = schedule.layout;
    const int32_t first = lane() == 0 ? first_reached_row(layout) : 0;
    const ChunkGroups groups = groups_of_chunk(schedule, lane());
    if (layout.kind == GroupKind::kIndptr) {
      bool ascend = true;
      const int32_t num_tiles = walk_ascending(schedule, groups, &ascend);
      if (__ballot_sync(kAllLanes, ascend) == kAllLanes) {
        is_ascending_ = schedule.groups_per_chunk <= kNumLanes;
        return num_tiles;
      }
    }
    start_.reached_row =
        reached_before(layout, gain_of_groups(layout, groups.first, groups.last), first);
    return chunk_num_tiles(schedule, lane(), start_.reached_row);
  }

  // Finds where the lane's chunk begins and returns the number of its tiles if bounds ascend; else
  // clears *ascend. A walk of few instructions, which most calls of many groups take.
  __device__ __forceinline__ int32_t walk_ascending(const TileSchedule& schedule,
                                                    const ChunkGroups& groups, bool* ascend) {
    const GroupLayout& layout = schedule.layout;
    int32_t bound = groups.first < groups.last ? group_value(layout, groups.first) : 0;
    start_.reached_row = bound;
    int32_t num_tiles = 0;
#pragma unroll 1
    for (int32_t group = groups.first; group < groups.last; ++group) {
      const int32_t end = group_value(layout, group + 1);
      *ascend = *ascend && bound <= end;
      num_tiles += num_tiles_of_rows(schedule, max_of(end - bound, 0));
      bound = end;
    }
    return num_tiles;
  }

  // Returns the group of a tile of this chunk, which has a group for each lane at most. In it, it
  // is the last group that starts at or before the tile.
  __device__ __forceinline__ Found find_ascending(const TileSchedule& schedule, int32_t chunk_idx,
                                                  int32_t tile_idx) const {
    const GroupLayout& layout = schedule.layout;
    const ChunkGroups groups = groups_of_chunk(schedule, chunk_idx);
    const int32_t group = groups.first + lane();
    const bool exists = group < groups.last;
    const int32_t begin = exists ? group_value(layout, group) : 0;
    const int32_t end = exists ? group_value(layout, group + 1) : 0;
    const int32_t num_tiles = num_tiles_of_rows(schedule, end - begin);
    const int32_t first_tile = from_lane(chunk_idx, start_.num_tiles) + exclusive_sum(num_tiles);
    const uint32_t started = __ballot_sync(kAllLanes, first_tile <= tile_idx);
    return {31 - __clz(static_cast<int>(started)), {group, begin, end, first_tile, num_tiles}};
  }

  ChunkStart start_;   // of the lane's chunk; without the row where groups are kept
  int32_t num_tiles_;  // of the lane's chunk
  int32_t total_tiles_;
  bool is_ascending_ = false;  // of groups that are not kept: bounds ascend

  // The lane's groups, where lanes keep them.
  int32_t row_begin_[kMaxKept];
  int32_t row_end_[kMaxKept];
  int32_t tiles_before_[kMaxKept];  // in the chunk
};

}  // namespace ggfp8::sm90
