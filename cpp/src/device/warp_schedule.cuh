// Tile scheduler of one warp: core/group_schedule.h's chunk starts in registers, one chunk per
// lane. device/tile_scheduler.cuh is the scheduler of a whole CTA.
#pragma once

#include <cstdint>

#include "core/group_schedule.h"

namespace ggfp8 {

class WarpSchedule {
 public:
  // Reads the group array. Precondition: the schedule has kNumLaneChunks chunks. Warp-collective.
  __device__ __forceinline__ explicit WarpSchedule(const GroupSchedule& schedule) {
    if (schedule.groups_per_chunk <= 1) {
      read_groups(schedule);
    } else {
      read_chunks(schedule);
    }
    const int32_t before = exclusive_scan(num_tiles_, [](int32_t x, int32_t y) { return x + y; });
    start_.num_tiles = before;
    total_tiles_ = __shfl_sync(kAllLanes, before + num_tiles_, 31);
  }

  // Returns the number of tiles of all groups.
  __device__ __forceinline__ int32_t total_tiles() const { return total_tiles_; }

  // Returns the group of a tile that exists. The tile's chunk is the last chunk that starts at or
  // before the tile. Warp-collective.
  __device__ __forceinline__ GroupTiles find_group(const GroupSchedule& schedule,
                                                   int32_t tile_idx) const {
    const bool is_started = start_.num_tiles <= tile_idx;
    const int32_t chunk_idx = __popc(__ballot_sync(kAllLanes, is_started)) - 1;
    const ChunkStart start = {__shfl_sync(kAllLanes, start_.reached_row, chunk_idx),
                              __shfl_sync(kAllLanes, start_.num_tiles, chunk_idx)};
    if (schedule.groups_per_chunk > 1) {
      return ggfp8::find_group(schedule, start, chunk_idx, tile_idx);
    }
    return {chunk_idx, __shfl_sync(kAllLanes, rows_.begin, chunk_idx),
            __shfl_sync(kAllLanes, rows_.end, chunk_idx), start.num_tiles,
            __shfl_sync(kAllLanes, num_tiles_, chunk_idx)};
  }

 private:
  static constexpr uint32_t kAllLanes = 0xFFFFFFFFu;

  __device__ __forceinline__ static int32_t lane() {
    return static_cast<int32_t>(threadIdx.x % 32);
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

  // Returns the row reached before the lane's chunk of this gain. `first` is the row reached before
  // the first group, which lane 0 knows.
  __device__ __forceinline__ static int32_t reached_before(const GroupLayout& layout, int32_t gain,
                                                           int32_t first) {
    const int32_t reached =
        exclusive_scan(gain, [&](int32_t x, int32_t y) { return combine_gains(layout, x, y); });
    return lane() == 0 ? first : reached;
  }

  // One group per lane, whose value is read once: reading takes longer than all else here.
  __device__ __forceinline__ void read_groups(const GroupSchedule& schedule) {
    const GroupLayout& layout = schedule.layout;
    const bool has_group = lane() < layout.num_groups;
    const int32_t value = has_group ? group_value(layout, value_idx(layout, lane())) : 0;
    const int32_t first = lane() == 0 && has_group ? first_reached_row(layout) : 0;
    const int32_t gain = has_group ? gain_of_value(layout, value) : 0;
    start_.reached_row =
        reached_before(layout, lane() == 0 ? combine_gains(layout, first, gain) : gain, first);
    rows_ = has_group ? rows_of_value(layout, start_.reached_row, value) : GroupRows{};
    num_tiles_ = num_tiles_of_rows(schedule, rows_.end - rows_.begin);
  }

  __device__ __forceinline__ void read_chunks(const GroupSchedule& schedule) {
    const GroupLayout& layout = schedule.layout;
    const int32_t first = lane() == 0 ? first_reached_row(layout) : 0;
    start_.reached_row = reached_before(layout, chunk_gain(schedule, lane()), first);
    rows_ = {};
    num_tiles_ = chunk_num_tiles(schedule, lane(), start_.reached_row);
  }

  ChunkStart start_;   // of the lane's chunk
  GroupRows rows_;     // of the lane's group, if a chunk is one group
  int32_t num_tiles_;  // of the lane's chunk
  int32_t total_tiles_;
};

}  // namespace ggfp8
