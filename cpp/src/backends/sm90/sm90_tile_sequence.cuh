// What each CTA computes, and in which order: the tiles of the output in the order of the tile
// scheduler, every cluster in turn, and the share of a CTA in its cluster's tile.
//
// The CTAs of a cluster take the same rows of neighbouring columns, and share the rows of a. Those
// of the largest tile split its rows instead, and share its columns of b, unless one of them holds
// all rows: then there are two tiles of columns, and they take one each, or halves of the last one.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_last_wave.h"
#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_rasterization.h"
#include "backends/sm90/sm90_tile.h"
#include "core/tile_scheduler.cuh"
#include "ptx/cluster.cuh"
#include "ptx/elect.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/smem_address.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// Whole warps: the same in all lanes.
__device__ __forceinline__ OutBlock uniform(const OutBlock& tile) {
  return {ptx::uniform(tile.row_begin), ptx::uniform(tile.num_rows), ptx::uniform(tile.col_begin),
          ptx::uniform(tile.num_cols)};
}

// Whole warps.
__device__ __forceinline__ CtaTile uniform(const CtaTile& tile) {
  return {uniform(static_cast<const OutBlock&>(tile)), ptx::uniform(tile.group_idx),
          ptx::uniform(tile.group_row_begin),
          static_cast<Multicast>(ptx::uniform(static_cast<int32_t>(tile.multicast)))};
}

// In shared memory: what all tiles are found with, and records of those that were found last, each
// with a barrier that completes when the tile is known.
struct TileStorage {
  CtaTile records[kNumTileRecords];
  uint64_t known[kNumTileRecords];
  ScheduleStorage schedule;
  LastWave last_wave;
};

__device__ __forceinline__ uint32_t known_barrier(const TileStorage& storage, uint32_t tile_idx) {
  return ptx::smem_address(&storage.known[tile_idx % kNumTileRecords]);
}

// The CTA's tiles count from 0; one without rows is behind the last. These three are for whole
// warps.
__device__ __forceinline__ void publish_tile(TileStorage& storage, uint32_t tile_idx,
                                             const CtaTile& tile) {
  if (ptx::elect_one()) storage.records[tile_idx % kNumTileRecords] = tile;
  __syncwarp();
  ptx::mbarrier_arrive_warp(known_barrier(storage, tile_idx));
}

__device__ __forceinline__ CtaTile known_tile(const TileStorage& storage, uint32_t tile_idx) {
  return uniform(storage.records[tile_idx % kNumTileRecords]);
}

__device__ __forceinline__ CtaTile wait_for_tile(const TileStorage& storage, uint32_t tile_idx) {
  ptx::mbarrier_wait_warp(known_barrier(storage, tile_idx), tile_idx / kNumTileRecords % 2);
  return known_tile(storage, tile_idx);
}

// A CTA's tiles, one after the other.
template <Config kConfig>
class TileSequence {
 public:
  // All threads, with a barrier behind it. The first tile is then known.
  __device__ __forceinline__ static void prepare(const Params& params, TileStorage& storage) {
    if (threadIdx.x < kNumTileRecords) {
      ptx::mbarrier_init(known_barrier(storage, threadIdx.x), ptx::kArrivalsPerWarp);
    }
    build_schedule(params.schedule, storage.schedule);
    if (threadIdx.x < 32) {
      const int32_t num_tiles = storage.schedule.num_tiles;
      storage.last_wave = kConfig.multicast == Multicast::kB
                              ? make_last_wave(num_tiles, num_clusters())
                              : LastWave{num_tiles, 1, num_tiles};
      __syncwarp();
      publish_tile(storage, 0, TileSequence(params, storage).tile());
    }
  }

  __device__ __forceinline__ TileSequence(const Params& params, const TileStorage& storage)
      : params_(params),
        storage_(storage),
        item_(static_cast<int32_t>(blockIdx.x) / kConfig.cluster_size) {}

  __device__ __forceinline__ bool done() const { return item_.idx >= storage_.last_wave.num_items; }

  __device__ __forceinline__ void advance() { item_.advance(num_clusters(), params_.place_step); }

  // Whole warps.
  __device__ __forceinline__ CtaTile tile() const {
    if (done()) return {};
    const LastWave& wave = storage_.last_wave;
    int32_t tile_idx = item_.idx;
    int32_t part = 0;
    int32_t num_parts = 1;
    if (item_.idx >= wave.first_tile_idx) {
      const int32_t left = item_.idx - wave.first_tile_idx;
      num_parts = wave.num_parts;
      tile_idx = wave.first_tile_idx + left / num_parts;
      part = left % num_parts;
    }
    GroupSchedule schedule = params_.schedule;
    schedule.tile_m = kConfig.cluster_m();  // for the compiler, which divides by it
    schedule.short_m = kConfig.short_m();
    const GroupTiles group = find_group(schedule, storage_.schedule, tile_idx);
    const TilePlace place = place_in_group(tile_idx - group.first_tile_idx,
                                           row_tiles(schedule, group.row_end - group.row_begin),
                                           params_.num_n_tiles, params_.max_band_size);
    const int32_t row_begin = group.row_begin + place.m_tile_idx * kConfig.cluster_m();
    const int32_t num_cols = place.num_n_tiles * kConfig.cluster_n() / num_parts;
    return share({{row_begin, min(group.row_end - row_begin, kConfig.cluster_m()),
                   place.n_tile_idx * kConfig.cluster_n() + part * num_cols, num_cols},
                  group.group_idx,
                  group.row_begin,
                  Multicast::kNone});
  }

 private:
  __device__ __forceinline__ static int32_t num_clusters() {
    return static_cast<int32_t>(gridDim.x) / kConfig.cluster_size;
  }

  // This CTA's share of its cluster's tile.
  __device__ __forceinline__ CtaTile share(CtaTile tile) const {
    const int32_t rank = kConfig.cluster_size > 1 ? static_cast<int32_t>(ptx::cluster_rank()) : 0;
    if (kConfig.cluster_size > 1) tile.multicast = Multicast::kA;
    if constexpr (kConfig.multicast != Multicast::kB) {
      tile.num_cols = kConfig.block_n;
      tile.col_begin += rank * kConfig.block_n;
    } else if (tile.num_rows > kConfig.block_m) {
      tile.multicast = Multicast::kB;
      tile.row_begin += rank * kConfig.block_m;
      tile.num_rows = rank == 0 ? kConfig.block_m : tile.num_rows - kConfig.block_m;
      leave_out_missing(tile);
    } else {
      leave_out_missing(tile);
      if (tile.num_cols > kConfig.half_n()) {
        tile.num_cols /= 2;
        tile.col_begin += rank * tile.num_cols;
        leave_out_missing(tile);
      } else if (rank != 0) {
        tile.num_cols = 0;
      }
    }
    return tile;
  }

  // Columns that are not there. All may be missing, in the second half of a tile that the last wave
  // halves.
  __device__ __forceinline__ void leave_out_missing(CtaTile& tile) const {
    if (params_.n - tile.col_begin <= kConfig.half_n()) tile.num_cols = kConfig.half_n();
  }

  const Params& params_;
  const TileStorage& storage_;
  ItemOfRound item_;
};

}  // namespace ggfp8::sm90
