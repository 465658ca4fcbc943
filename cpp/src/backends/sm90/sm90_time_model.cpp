#include "backends/sm90/sm90_time_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "backends/sm90/sm90_config.h"
#include "backends/sm90/sm90_heuristics.h"
#include "backends/sm90/sm90_last_wave.h"
#include "backends/sm90/sm90_tile_schedule.h"
#include "core/math.h"

namespace ggfp8::sm90 {
namespace {

// Microseconds that a shape takes, fitted to random problems of all sizes on H200s (notebook.md).
// In a remainder tile some warpgroups have no rows, or share the columns of others.
struct ShapeTimes {
  double call;             // of a call, whatever its size
  double k_block;          // of a k-block of a tile
  double k_block_128;      // of a remainder tile of at most 128 rows
  double k_block_64;       // of at most 64 rows
  double tile;             // of a tile, besides its k-blocks
  double tile_64;          // of a tile of at most 64 rows
  double swapped_k_block;  // of a tile with swapped operands; as k_block where a shape has one kind
  double swapped_tile;
  double bytes_per_us;  // where bytes limit
};

// Columns: call, k_block, k_block_128, k_block_64, tile, tile_64, swapped_k_block, swapped_tile,
// bytes_per_us.
constexpr ShapeTimes k192x128Times = {3.27, 0.599, 0.447, 0.303, 1.51, 1.00, 0.257, 1.15, 4.22e6};
constexpr ShapeTimes k128x192Times = {4.33, 0.578, 0.652, 0.530, 1.20, 1.20, 0.578, 1.20, 4.43e6};
constexpr ShapeTimes k128x128Times = {2.63, 0.425, 0.425, 0.303, 1.41, 1.00, 0.249, 1.24, 4.25e6};
constexpr ShapeTimes k64x32Times = {2.60, 0.122, 0.122, 0.122, 0.58, 0.58, 0.122, 0.58, 4.80e6};

// Microseconds more of a tile whose outputs cannot leave by TMA store, in a shape with such stores.
constexpr double kTimeOfPlainStores = 0.63;

// Returns the times with scale blocks of 64 k: a k-block is promoted twice, and takes `factor`
// times as long, as measured.
constexpr ShapeTimes with_scale_k_64(ShapeTimes times, double factor) {
  times.k_block *= factor;
  times.k_block_128 *= factor;
  times.k_block_64 *= factor;
  times.swapped_k_block *= factor;
  return times;
}

constexpr std::array<ShapeTimes, kTileShapes.size()> kTimes = {{
    {2.00, 0.310, 0.310, 0.310, 1.18, 1.18, 0.310, 1.18, 4.47e6},  // 32x128
    k192x128Times,
    k128x192Times,
    k128x128Times,
    {2.62, 0.186, 0.186, 0.186, 0.87, 0.87, 0.186, 0.87, 4.75e6},  // 64x64
    k64x32Times,
    {2.42, 0.092, 0.092, 0.092, 0.55, 0.55, 0.092, 0.55, 4.90e6},  // 64x16
    {2.75, 0.495, 0.495, 0.349, 1.70, 0.80, 0.349, 1.70, 3.99e6},  // 128x160 narrowed
    {2.74, 0.355, 0.355, 0.244, 1.00, 0.65, 0.244, 1.00, 4.03e6},  // 128x96 narrowed
    with_scale_k_64(k192x128Times, 1.28),
    with_scale_k_64(k128x192Times, 1.33),
    with_scale_k_64(k128x128Times, 1.10),
    with_scale_k_64(k64x32Times, 1.18),
}};

// Groups of about the same number of rows.
struct RowsOfGroups {
  RowsOfGroups(int64_t num_groups_with_rows, int64_t num_rows_of_all)
      : num_groups(num_groups_with_rows),
        num_rows(num_rows_of_all),
        fewer(num_rows / num_groups),
        num_with_more(num_rows % num_groups) {}

  int64_t num_groups;     // that have rows
  int64_t num_rows;       // of all of them
  int64_t fewer;          // rows of a group
  int64_t num_with_more;  // groups that have one row more
};

int64_t expected_rows(const Problem& problem) {
  return max_of<int64_t>(min_of(problem.mean_rows() * problem.batch_size, problem.cum_m), 1);
}

RowsOfGroups shared_evenly(const Problem& problem) {
  const int64_t num_rows = expected_rows(problem);
  return {min_of(problem.batch_size, num_rows), num_rows};
}

// Slabs count as if one of them could hold all rows: the same rows have the same shape in every
// layout.
RowsOfGroups in_one_group(const Problem& problem) {
  return {1, expected_rows(problem)};
}

// Tiles, and the microseconds of all of them one after another.
struct Tiles {
  int64_t num = 0;
  double time = 0;

  void add(int64_t num_more, double time_of_each) {
    num += num_more;
    time += static_cast<double>(num_more) * time_of_each;
  }
};

const Shape& shape_of(const Tiling& tiling) {
  return kTileShapes[static_cast<size_t>(tiling.shape_idx)];
}

// Returns the microseconds of a tile with this many rows.
double tile_time(const Shape& shape, const ShapeTimes& times, int32_t rows, double num_k_blocks) {
  if (rows <= shape.max_swapped_rows) {
    return num_k_blocks * times.swapped_k_block + times.swapped_tile;
  }
  if (rows <= 64) return num_k_blocks * times.k_block_64 + times.tile_64;
  return num_k_blocks * (rows <= 128 ? times.k_block_128 : times.k_block) + times.tile;
}

Tiles tiles_of(const Problem& problem, const Tiling& tiling, const RowsOfGroups& rows) {
  const Shape& shape = shape_of(tiling);
  const ShapeTimes& times = kTimes[static_cast<size_t>(tiling.shape_idx)];
  const TileSchedule schedule = make_tile_schedule(problem, shape, tiling.tile_n);
  const auto k_blocks = static_cast<double>(num_loaded_k_blocks(problem));
  const bool stores_plainly = shape.tma_store && !can_store_by_tma(problem, shape);
  const double of_stores = stores_plainly ? kTimeOfPlainStores : 0;
  Tiles tiles;
  const auto add_groups = [&](int64_t num_groups, int64_t rows_of_each) {
    const auto num_rows = static_cast<int32_t>(rows_of_each);
    const int32_t num_left = num_rows % schedule.tile_m;
    tiles.add(num_groups * num_tiles_of_rows(schedule, num_rows - num_left),
              tile_time(shape, times, schedule.tile_m, k_blocks) + of_stores);
    tiles.add(num_groups * num_tiles_of_rows(schedule, num_left),
              tile_time(shape, times, num_left, k_blocks) + of_stores);
  };
  add_groups(rows.num_with_more, rows.fewer + 1);
  add_groups(rows.num_groups - rows.num_with_more, rows.fewer);
  return tiles;
}

// Returns how many tiles the busiest cluster computes. The last wave may halve tiles.
double num_waves(const Shape& shape, int64_t num_tiles, const DeviceInfo& device) {
  constexpr double kHalfTile = 0.6;  // half a tile takes more than half its time
  const int64_t num_clusters = max_of(device.num_processors / shape.cluster_size, 1);
  const int64_t num_left = num_tiles % num_clusters;
  const auto num_full = static_cast<double>(num_tiles / num_clusters);
  if (num_left == 0) return num_full;
  const bool halves = shape.multicast == Multicast::kB && num_left * 2 <= num_clusters;
  return num_full + (halves ? kHalfTile : 1);
}

// Returns which share of the bytes per microsecond the SMs that have a tile take in. Four fifths of
// a device's SMs take in all that its DRAM gives.
double reading_share(const Shape& shape, int64_t num_tiles, const DeviceInfo& device) {
  constexpr double kEnoughSms = 0.8;
  const auto num_sms = static_cast<double>(num_tiles * shape.cluster_size);
  return min_of(num_sms / (kEnoughSms * static_cast<double>(device.num_processors)), 1.0);
}

double num_bytes(const Problem& problem, const RowsOfGroups& rows) {
  const double k = static_cast<double>(num_loaded_k_blocks(problem)) * kBlockK;
  const auto n = static_cast<double>(problem.n);
  const auto num_rows = static_cast<double>(rows.num_rows);
  return static_cast<double>(rows.num_groups) * n * k + num_rows * k + 2 * num_rows * n;
}

// Returns the microseconds until the first tile is found, beyond those that every call needs: lanes
// of the scheduler warp walk through more groups than they keep (sm90_warp_schedule.cuh).
double search_time(const Problem& problem, const Shape& shape) {
  constexpr double kTimePerGroup = 0.22;
  const int64_t groups_per_lane = ceil_div<int64_t>(problem.batch_size, kNumLaneChunks);
  return groups_per_lane > shape.max_kept_groups()
             ? kTimePerGroup * static_cast<double>(groups_per_lane)
             : 0;
}

// Returns the microseconds of a call. What takes longer decides, computing or reading; where both
// take about the same time they hold each other up.
double time_of(const Problem& problem, const Tiling& tiling, const RowsOfGroups& rows,
               const DeviceInfo& device) {
  const Shape& shape = shape_of(tiling);
  const ShapeTimes& times = kTimes[static_cast<size_t>(tiling.shape_idx)];
  const Tiles tiles = tiles_of(problem, tiling, rows);
  const double mean_time = tiles.time / static_cast<double>(tiles.num);
  const double computing = num_waves(shape, tiles.num, device) * mean_time;
  const double reading =
      num_bytes(problem, rows) / (times.bytes_per_us * reading_share(shape, tiles.num, device));
  const double computing_2 = computing * computing, reading_2 = reading * reading;
  return times.call + search_time(problem, shape) +
         std::sqrt(std::sqrt(computing_2 * computing_2 + reading_2 * reading_2));
}

// Returns the least width of an open shape's tiles with which a call takes as few waves as it can,
// or 0 if shapes of narrower tiles are for it.
int open_width(const Problem& problem, int shape_idx, const RowsOfGroups& rows,
               const DeviceInfo& device) {
  const Shape& shape = kTileShapes[static_cast<size_t>(shape_idx)];
  const int64_t n = problem.n;
  const int64_t num_row_tiles = tiles_of(problem, {shape_idx, static_cast<int>(n)}, rows).num;
  const int64_t least_n_tiles = ceil_div<int64_t>(n, shape.block_n);
  const int64_t waves = ceil_div<int64_t>(num_row_tiles * least_n_tiles, device.num_processors);
  const int64_t num_n_tiles = device.num_processors * waves / num_row_tiles;
  const int64_t width = round_up<int64_t>(ceil_div(n, num_n_tiles), kOpenStep);
  return width > shape.block_n / 3 ? static_cast<int>(width) : 0;
}

// Returns the fastest tiling of shapes first to last. Weighs two cases in a geometric mean: even
// groups by three fifths, one group with all rows by two.
Tiling tiling_of_known_rows(const Problem& problem, int first, int last, const DeviceInfo& device) {
  const RowsOfGroups even = shared_evenly(problem);
  const RowsOfGroups one = in_one_group(problem);
  Tiling fastest = {first, kTileShapes[static_cast<size_t>(first)].cluster_n()};
  double least = std::numeric_limits<double>::infinity();
  const auto consider = [&](const Tiling& tiling) {
    const double even_time = time_of(problem, tiling, even, device);
    const double one_time = time_of(problem, tiling, one, device);
    const double mean_5 = even_time * even_time * even_time * one_time * one_time;
    if (mean_5 >= least) return;
    fastest = tiling;
    least = mean_5;
  };
  for (int i = first; i <= last; ++i) {
    const Shape& shape = kTileShapes[static_cast<size_t>(i)];
    if (!has_scale_blocks_of(shape, problem)) continue;
    if (!shape.open_width) {
      consider({i, shape.cluster_n()});
      continue;
    }
    const int even_width = open_width(problem, i, even, device);
    const int one_width = open_width(problem, i, one, device);
    if (even_width != 0) consider({i, even_width});
    if (one_width != 0 && one_width != even_width) consider({i, one_width});
  }
  return fastest;
}

// Microseconds, or losses, of each shape; infinite for shapes with other scale blocks. An open
// width is a matter of the rows, so tiles have all columns of the block here.
using ShapeCosts = std::array<double, kTileShapes.size()>;

Tiling tiling_of_shape(size_t shape_idx) {
  return {static_cast<int>(shape_idx), kTileShapes[shape_idx].cluster_n()};
}

ShapeCosts times_of_even_groups(const Problem& problem, int64_t rows, const DeviceInfo& device) {
  ShapeCosts times;
  for (size_t i = 0; i < times.size(); ++i) {
    times[i] = has_scale_blocks_of(kTileShapes[i], problem)
                   ? time_of_even_groups(problem, rows, tiling_of_shape(i), device)
                   : std::numeric_limits<double>::infinity();
  }
  return times;
}

// Adds up the losses in several cases: every group fills its slab, or a quarter of it, a sixteenth
// and so on, down to a few rows. A loss is the third power of the time over that of the best shape,
// so that large ones count most.
ShapeCosts losses_of_unknown_rows(const Problem& problem, const DeviceInfo& device) {
  constexpr int64_t kStep = 4;
  constexpr int64_t kFewest = 8;
  ShapeCosts losses = {};
  int64_t rows = max_of<int64_t>(problem.rows_per_slab(), 1);
  do {
    const ShapeCosts times = times_of_even_groups(problem, rows, device);
    const double best = *std::min_element(times.begin(), times.end());
    for (size_t i = 0; i < times.size(); ++i) {
      const double ratio = times[i] / best;
      losses[i] += ratio * ratio * ratio;
    }
    rows /= kStep;
  } while (rows >= kFewest);
  return losses;
}

Tiling tiling_of_unknown_rows(const Problem& problem, const DeviceInfo& device) {
  const ShapeCosts losses = losses_of_unknown_rows(problem, device);
  const auto least = std::min_element(losses.begin(), losses.end());
  return tiling_of_shape(static_cast<size_t>(least - losses.begin()));
}

}  // namespace

double time_of_even_groups(const Problem& problem, int64_t rows, const Tiling& tiling,
                           const DeviceInfo& device) {
  return time_of(problem, tiling, {problem.batch_size, problem.batch_size * rows}, device);
}

Tiling fastest_tiling(const Problem& problem, const DeviceInfo& device) {
  constexpr int kLast = static_cast<int>(kTileShapes.size()) - 1;
  return problem.has_unknown_rows() ? tiling_of_unknown_rows(problem, device)
                                    : tiling_of_known_rows(problem, 0, kLast, device);
}

Tiling fastest_tiling_of_shape(const Problem& problem, int shape_idx, const DeviceInfo& device) {
  return problem.has_unknown_rows() ? tiling_of_shape(static_cast<size_t>(shape_idx))
                                    : tiling_of_known_rows(problem, shape_idx, shape_idx, device);
}

}  // namespace ggfp8::sm90
