// Tile scheduler of the GPU kernels: every CTA prepares core/group_schedule.h's chunk starts in
// shared memory once, then finds the group of a tile index.
#pragma once

#include <cstdint>

#include "core/group_schedule.h"
#include "core/schedule_storage.h"

namespace ggfp8 {

struct MaxOf {
  __device__ int32_t operator()(int32_t x, int32_t y) const { return max(x, y); }
};
struct SumOf {
  __device__ int32_t operator()(int32_t x, int32_t y) const { return x + y; }
};
// combine_gains() of any layout; MaxOf is the same where gains are no sums, and is shorter.
struct GainOf {
  const GroupLayout& layout;
  __device__ int32_t operator()(int32_t x, int32_t y) const { return combine_gains(layout, x, y); }
};

// Combines, for each of the first kNumChunks threads, the values of the threads before it; 0 for
// the first. 0 is neutral for all operations on non-negative values. All threads call it.
template <class Operation>
__device__ int32_t exclusive_scan(int32_t value, const Operation& combine,
                                  int32_t (&warp_values)[kNumChunks / 32]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  int32_t inclusive = value;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const int32_t other = __shfl_up_sync(0xFFFFFFFFu, inclusive, distance);
    if (lane >= distance) inclusive = combine(inclusive, other);
  }
  if (lane == 31 && warp < kNumChunks / 32) warp_values[warp] = inclusive;
  const int32_t shifted = __shfl_up_sync(0xFFFFFFFFu, inclusive, 1);
  int32_t exclusive = lane == 0 ? 0 : shifted;
  __syncthreads();
  for (int i = 0; i < min(warp, kNumChunks / 32); ++i)
    exclusive = combine(exclusive, warp_values[i]);
  __syncthreads();
  return exclusive;
}

// Fills the storage, one chunk per thread. All threads call it.
__device__ inline void build_schedule(const GroupSchedule& schedule, ScheduleStorage& storage) {
  const GroupLayout& layout = schedule.layout;
  const int32_t chunk_idx = static_cast<int32_t>(threadIdx.x);
  const bool has_chunk = chunk_idx < kNumChunks;
  const int32_t gain = has_chunk ? chunk_gain(schedule, chunk_idx) : 0;
  int32_t reached_row = gains_are_sums(layout)
                            ? exclusive_scan(gain, GainOf{layout}, storage.warp_values)
                            : exclusive_scan(gain, MaxOf{}, storage.warp_values);
  if (chunk_idx == 0) reached_row = first_reached_row(layout);
  const int32_t num_tiles = has_chunk ? chunk_num_tiles(schedule, chunk_idx, reached_row) : 0;
  const int32_t before = exclusive_scan(num_tiles, SumOf{}, storage.warp_values);
  if (has_chunk) storage.chunk_starts[chunk_idx] = {reached_row, before};
  if (chunk_idx == kNumChunks - 1) storage.num_tiles = before + num_tiles;
  __syncthreads();
}

// Returns the group of a tile that exists. Warp-collective. The tile's chunk is the last chunk that
// starts at or before it; the lanes look at all chunks at once.
__device__ inline GroupTiles find_group(const GroupSchedule& schedule,
                                        const ScheduleStorage& storage, int32_t tile_idx) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  int32_t num_started = 0;
#pragma unroll
  for (int i = 0; i < kNumChunks; i += 32) {
    const bool is_started = storage.chunk_starts[i + lane].num_tiles <= tile_idx;
    num_started += __popc(__ballot_sync(0xFFFFFFFFu, is_started));
  }
  const int32_t chunk_idx = num_started - 1;
  return find_group(schedule, storage.chunk_starts[chunk_idx], chunk_idx, tile_idx);
}

}  // namespace ggfp8
