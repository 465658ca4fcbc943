// The tiles of one CTA, one after the other: every cluster takes an item per round
// (sm90_last_wave.h), finds the group and the place of its tile (sm90_rasterization.h), and shares
// the tile out among its CTAs (sm90_tile.h).
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_last_wave.h"
#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_rasterization.h"
#include "backends/sm90/sm90_tile.h"
#include "backends/sm90/sm90_tile_schedule.h"
#include "backends/sm90/sm90_warp_schedule.cuh"
#include "ptx/cluster.cuh"
#include "ptx/griddepcontrol.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

template <Config kConfig>
class TileSequence {
 public:
  // Waits for the kernels before, reads the group array and begins with the first tile.
  // Warp-collective.
  __device__ __forceinline__ explicit TileSequence(const Params& params)
      : params_(params),
        item_(wait_for_first_item()),
        groups_(schedule()),
        wave_(find_last_wave(groups_.total_tiles())) {}

  __device__ __forceinline__ bool done() const { return item_.idx >= wave_.num_items; }

  __device__ __forceinline__ void advance() { item_.advance(num_clusters(), params_.place_step); }

  // Finds the current tile; after the last one, returns a tile without rows. Warp-collective.
  __device__ __forceinline__ CtaTile tile() const {
    int32_t tile_idx = item_.idx;
    int32_t half = 0;  // the item's, if its tile is halved
    int32_t items_per_tile = 1;
    if (kHasHalves && item_.idx >= wave_.first_tile_idx) {
      const int32_t idx_in_wave = item_.idx - wave_.first_tile_idx;
      items_per_tile = wave_.items_per_tile;
      tile_idx = wave_.first_tile_idx + idx_in_wave / items_per_tile;
      half = idx_in_wave % items_per_tile;
    }
    const auto [lane, group] = groups_.find(schedule(), tile_idx);
    if (lane < 0) return {};
    // Every lane looks for the place, and the lane that has the group passes it on. The other lanes
    // look among no rows, which takes no division.
    const bool is_here = lane == static_cast<int32_t>(threadIdx.x % 32);
    const int32_t num_rows = is_here ? group.row_end - group.row_begin : 0;
    const TilePlace place =
        place_in_group(tile_idx - group.first_tile_idx, row_tiles(schedule(), num_rows),
                       params_.num_n_tiles, params_.max_band_size);
    const int32_t first_row = place.m_tile_idx * kConfig.cluster_m();
    const auto pass_on = [lane = lane](int32_t value) { return Groups::from_lane(lane, value); };
    const int32_t num_n_tiles = kHasHalves ? pass_on(place.num_n_tiles) : 1;
    const int32_t num_cols = num_n_tiles * tile_n() / items_per_tile;
    return share({{pass_on(group.row_begin + first_row),
                   pass_on(min(num_rows - first_row, kConfig.cluster_m())),
                   pass_on(place.n_tile_idx) * tile_n() + half * num_cols, num_cols},
                  pass_on(group.group_idx),
                  pass_on(group.row_begin),
                  Multicast::kNone,
                  kConfig.is_small() && is_last()});
  }

 private:
  using Groups = WarpSchedule<kConfig.max_kept_groups()>;
  static constexpr bool kHasHalves = kConfig.column_scales().has_halves;

  // Whether no tile follows the current one.
  __device__ __forceinline__ bool is_last() const {
    ItemOfRound next = item_;
    next.advance(num_clusters(), params_.place_step);
    return next.idx >= wave_.num_items;
  }

  __device__ __forceinline__ int32_t tile_n() const {
    return kConfig.open_width ? params_.tile_n : kConfig.cluster_n();
  }

  // The schedule with the constants of the shape, by which the compiler divides faster.
  __device__ __forceinline__ TileSchedule schedule() const {
    TileSchedule schedule = params_.schedule;
    schedule.tile_m = kConfig.cluster_m();
    schedule.short_m = kConfig.short_m();
    return schedule;
  }

  // The last wave of all tiles. Only half blocks allow it to halve tiles.
  __device__ __forceinline__ static LastWave find_last_wave(int32_t num_tiles) {
    return kHasHalves ? make_last_wave(num_tiles, num_clusters())
                      : LastWave{num_tiles, 1, num_tiles};
  }

  // Returns the first item, which is known before the wait.
  __device__ __forceinline__ static ItemOfRound wait_for_first_item() {
    const auto cluster = static_cast<int32_t>(blockIdx.x) / kConfig.cluster_size;
    const ItemOfRound item(ptx::compute_now(cluster));
    ptx::wait_for_kernels_before();
    return item;
  }

  __device__ __forceinline__ static int32_t num_clusters() {
    return static_cast<int32_t>(gridDim.x) / kConfig.cluster_size;
  }

  // Returns this CTA's block of its cluster's tile.
  __device__ __forceinline__ CtaTile share(CtaTile tile) const {
    const int32_t rank = kConfig.cluster_size > 1 ? static_cast<int32_t>(ptx::cluster_rank()) : 0;
    if (kConfig.cluster_size > 1) tile.multicast = Multicast::kA;
    if constexpr (kConfig.multicast != Multicast::kB) {
      tile.num_cols = tile_n() / kConfig.cluster_size;
      tile.col_begin += rank * tile.num_cols;
    } else if (tile.num_rows > kConfig.block_m) {
      tile.multicast = Multicast::kB;
      tile.row_begin += rank * kConfig.block_m;
      tile.num_rows = rank == 0 ? kConfig.block_m : tile.num_rows - kConfig.block_m;
      cut_to_half(tile);
    } else {
      cut_to_half(tile);
      if (tile.num_cols > kConfig.half_n()) {
        tile.num_cols /= 2;
        tile.col_begin += rank * tile.num_cols;
        cut_to_half(tile);
      } else if (rank != 0) {
        tile.num_cols = 0;
      }
    }
    return tile;
  }

  // Takes half a block where the output has no more columns. The block may begin past the last
  // column, in the second half of a tile that the last wave halves.
  __device__ __forceinline__ void cut_to_half(OutBlock& block) const {
    if (params_.n - block.col_begin <= kConfig.half_n()) block.num_cols = kConfig.half_n();
  }

  const Params& params_;
  ItemOfRound item_;  // first: it waits for the kernels before
  Groups groups_;
  LastWave wave_;
};

}  // namespace ggfp8::sm90
