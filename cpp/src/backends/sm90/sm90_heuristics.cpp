#include "backends/sm90/sm90_heuristics.h"

#include <cstdint>

#include "backends/sm90/sm90_config.h"
#include "backends/sm90/sm90_last_wave.h"
#include "backends/sm90/sm90_rasterization.h"
#include "core/math.h"

namespace ggfp8::sm90 {
namespace {

// Into kTileShapes.
enum { kSmall, kWide, kTall };

int64_t mean_rows(const Problem& problem) {
  return ceil_div(problem.cum_m, problem.batch_size);
}

// Clusters that the device runs at once: every SM holds one CTA.
int64_t num_clusters(const TileShape& shape, const DeviceInfo& device) {
  return max_of(device.num_processors / shape.cluster_size, 1);
}

// As many as there are if all groups have the mean number of rows.
int64_t num_tiles(const Problem& problem, const TileShape& shape) {
  const auto num_rows = static_cast<int32_t>(mean_rows(problem));
  return problem.batch_size * num_tiles_of_rows(make_tile_schedule(problem, shape), num_rows);
}

// The small tile starts sooner, without a cluster; the wide one moves fewer bytes. Measured: a call
// of few rows is faster with the small one while an SM gets no more than about this many k-blocks.
bool is_short(const Problem& problem, const DeviceInfo& device) {
  constexpr int64_t kMaxKBlocksPerSm = 64;
  const TileShape& small = kTileShapes[kSmall];
  return mean_rows(problem) <= small.tile_m() && num_tiles(problem, small) * problem.num_k_blocks <=
                                                     kMaxKBlocksPerSm * device.num_processors;
}

// Of the busiest cluster, in units that only compare the larger tiles. Measured: per product both
// take about the same time; the taller one moves fewer bytes.
int64_t busiest_time(const Problem& problem, const TileShape& shape, const DeviceInfo& device) {
  return ceil_div(num_tiles(problem, shape), num_clusters(shape, device)) *
         (shape.splits_rows ? 16 : 17);
}

// Columns of b that the busiest CTA walks, about, if no group has more rows than a CTA holds. A
// short row tile of the tall tile takes two column tiles, one per CTA, or halves a last one.
int64_t busiest_columns(const Problem& problem, const TileShape& shape, const DeviceInfo& device) {
  const auto clusters = static_cast<int32_t>(num_clusters(shape, device));
  const auto tiles = static_cast<int32_t>(num_tiles(problem, shape));
  if (!shape.splits_rows) return int64_t{ceil_div(tiles, clusters)} * shape.cta_n;
  const LastWave wave = make_last_wave(tiles, clusters);
  const int last_columns = wave.num_items > wave.first_tile_idx ? shape.cta_n / wave.num_parts : 0;
  const int64_t columns = int64_t{wave.first_tile_idx / clusters} * shape.cta_n + last_columns;
  const GroupSchedule schedule = make_tile_schedule(problem, shape);
  return columns * schedule.tiles_per_long / (2 * schedule.tiles_per_short);
}

// Measured: the tall tile is faster where one of its CTAs holds an average group of at least a
// warpgroup's rows, unless waves of clusters fit much worse. The wide one is faster with fewer
// rows, and with those that its CTA holds and that of the tall one does not; with more that whose
// busiest cluster takes less time.
int pick_larger(const Problem& problem, const DeviceInfo& device) {
  constexpr int64_t kWarpgroupRows = 64;
  const TileShape& wide = kTileShapes[kWide];
  const TileShape& tall = kTileShapes[kTall];
  const int64_t num_rows = mean_rows(problem);
  const auto is_better = [&](auto cost, int percent) {
    return cost(problem, tall, device) * 100 <= cost(problem, wide, device) * percent;
  };
  if (num_rows < kWarpgroupRows) return kWide;
  if (num_rows <= tall.cta_m) return is_better(busiest_columns, 110) ? kTall : kWide;
  if (num_rows <= wide.tile_m()) return kWide;
  return is_better(busiest_time, 100) ? kTall : kWide;
}

// m_indptr is unknown here: every group may add one partly filled tile.
int64_t max_tiles(const Problem& problem, const TileShape& shape) {
  const int64_t row_tiles =
      min_of(problem.cum_m / shape.tile_m() + problem.batch_size, problem.cum_m);
  return row_tiles * ceil_div<int64_t>(problem.n, shape.tile_n());
}

}  // namespace

Choice choose(const Problem& problem, const DeviceInfo& device) {
  Choice choice;
  choice.shape_idx = is_short(problem, device) ? kSmall : pick_larger(problem, device);
  const TileShape& shape = kTileShapes[static_cast<size_t>(choice.shape_idx)];
  // The last wave of the largest tile halves tiles.
  const int64_t num_items = max_tiles(problem, shape) * (shape.splits_rows ? 2 : 1);
  choice.num_ctas =
      static_cast<int>(min_of(num_clusters(shape, device), num_items)) * shape.cluster_size;
  return choice;
}

bool sfa_in_bulk(const Problem& problem) {
  return problem.granularity_m == 1 && problem.a_scale_m_stride == 1 &&
         problem.a_scale_k_stride % 4 == 0 && problem.cum_m % 4 == 0 &&
         is_aligned(problem.a_scale, 16);
}

// What tensor maps and the kernel's scale blocks ask for. None of it depends on the number of rows
// or groups, so a row's result does not either.
Support supports(const Problem& problem, const DeviceInfo& device) {
  // The kernel counts tiles, columns and k in 32 bits, up to the end of the last tile.
  constexpr int64_t kMaxTiles = int64_t{1} << 30;
  constexpr int64_t kMaxK = int64_t{1} << 30;
  if (problem.device_type != DeviceType::kCuda) return refuse("needs arrays on a CUDA device");
  if (device.compute_capability() != 90) {
    return refuse("needs compute capability 9.0, the device has %jd.%jd", device.compute_major,
                  device.compute_minor);
  }
  if (problem.granularity_n != 128 || problem.granularity_k != 128) {
    return refuse(
        "needs scale_granularity_mnk (1, 128, 128) or (128, 128, 128), got (%jd, %jd, %jd)",
        problem.granularity_m, problem.granularity_n, problem.granularity_k);
  }
  if (problem.k == 0) return refuse("needs k of at least 16, got 0");
  if (problem.k >= kMaxK) return refuse("needs k below 2^30");
  if (!is_aligned(problem.a, 16)) return refuse("needs a at a multiple of 16 bytes");
  if (!is_aligned(problem.b, 16)) return refuse("needs b at a multiple of 16 bytes");
  if (problem.a_row_stride >= kTensorMapStrideEnd || problem.b_row_stride >= kTensorMapStrideEnd ||
      problem.b_group_stride >= kTensorMapStrideEnd) {
    return refuse("needs strides of a and b below 2^40 bytes");
  }
  for (const TileShape& shape : kTileShapes) {
    const int64_t max_n = INT32_MAX / shape.tile_n() * shape.tile_n();
    if (problem.n > max_n) return refuse("needs n of at most %jd", max_n);
    if (max_tiles(problem, shape) >= kMaxTiles) return refuse("needs fewer than 2^30 tiles");
  }
  return {};
}

Plan plan(const Problem& problem, const DeviceInfo& device) {
  const Choice choice = choose(problem, device);
  Plan plan;
  plan.config_idx =
      instance_idx(choice.shape_idx, dtype_pair_idx(problem.a_dtype, problem.b_dtype));
  plan.config_name = kTileShapes[static_cast<size_t>(choice.shape_idx)].name;
  plan.num_workers = choice.num_ctas;
  return plan;
}

}  // namespace ggfp8::sm90
