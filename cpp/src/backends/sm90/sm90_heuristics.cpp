#include "backends/sm90/sm90_heuristics.h"

#include <cstdint>

#include "backends/sm90/sm90_config.h"
#include "backends/sm90/sm90_last_wave.h"
#include "backends/sm90/sm90_rasterization.h"
#include "backends/sm90/sm90_time_model.h"
#include "core/math.h"
#include "core/tensor_map_limits.h"

namespace ggfp8::sm90 {
namespace {

// Indices into kTileShapes.
enum { k32x128, k192x128, k128x192 };

// Returns how many clusters the device runs at once: every SM holds one CTA.
int64_t num_clusters(const TileShape& shape, const DeviceInfo& device) {
  return max_of(device.num_processors / shape.cluster_size, 1);
}

// Returns how many tiles there are if all groups have the mean number of rows.
int64_t num_tiles(const Problem& problem, const TileShape& shape) {
  const auto num_rows = static_cast<int32_t>(problem.mean_rows());
  return problem.batch_size * num_tiles_of_rows(make_tile_schedule(problem, shape), num_rows);
}

// Returns whether the call is short enough for 32x128, which starts sooner, without a cluster.
// 192x128 moves fewer bytes. Measured: a call of few rows is faster with 32x128 while an SM gets at
// most about this many k-blocks.
bool is_short_call(const Problem& problem, const DeviceInfo& device) {
  constexpr int64_t kMaxKBlocksPerSm = 64;
  const TileShape& shape = kTileShapes[k32x128];
  return problem.mean_rows() <= shape.cluster_m() &&
         num_tiles(problem, shape) * problem.num_k_blocks <=
             kMaxKBlocksPerSm * device.num_processors;
}

// Returns the time of the busiest cluster, in units that only compare 192x128 and 128x192.
// Measured: a product takes about the same time in both; 128x192 moves fewer bytes.
int64_t busiest_time(const Problem& problem, const TileShape& shape, const DeviceInfo& device) {
  return ceil_div(num_tiles(problem, shape), num_clusters(shape, device)) *
         (shape.multicast == Multicast::kB ? 16 : 17);
}

// Returns about how many columns of b the busiest CTA computes if no group has more rows than one
// CTA holds. A short row tile of 128x192 takes two column tiles, one per CTA, or halves the last.
int64_t busiest_columns(const Problem& problem, const TileShape& shape, const DeviceInfo& device) {
  const auto clusters = static_cast<int32_t>(num_clusters(shape, device));
  const auto tiles = static_cast<int32_t>(num_tiles(problem, shape));
  if (shape.multicast != Multicast::kB) return int64_t{ceil_div(tiles, clusters)} * shape.block_n;
  const LastWave wave = make_last_wave(tiles, clusters);
  const int last_columns =
      wave.num_items > wave.first_tile_idx ? shape.block_n / wave.num_parts : 0;
  const int64_t columns = int64_t{wave.first_tile_idx / clusters} * shape.block_n + last_columns;
  const GroupSchedule schedule = make_tile_schedule(problem, shape);
  return columns * schedule.tiles_per_long / (2 * schedule.tiles_per_short);
}

// Returns 192x128 or 128x192. Measured for the mean number of rows of a group:
//   up to 63       192x128
//   64 to 128      128x192, unless its waves of clusters fit much worse
//   129 to 192     192x128, of which one CTA holds these rows
//   more           the shape whose busiest cluster takes less time
int choose_larger(const Problem& problem, const DeviceInfo& device) {
  constexpr int64_t kWarpgroupRows = 64;
  const TileShape& shape_192 = kTileShapes[k192x128];
  const TileShape& shape_128 = kTileShapes[k128x192];
  const int64_t num_rows = problem.mean_rows();
  const auto prefers_128x192 = [&](auto cost, int percent) {
    return cost(problem, shape_128, device) * 100 <= cost(problem, shape_192, device) * percent;
  };
  if (num_rows < kWarpgroupRows) return k192x128;
  if (num_rows <= shape_128.block_m)
    return prefers_128x192(busiest_columns, 110) ? k128x192 : k192x128;
  if (num_rows <= shape_192.block_m) return k192x128;
  return prefers_128x192(busiest_time, 100) ? k128x192 : k192x128;
}

// Returns the most tiles that any groups can make: every group may add a partly filled one.
int64_t max_tiles(const Problem& problem, const TileShape& shape) {
  const int64_t row_tiles =
      min_of(problem.cum_m / shape.cluster_m() + problem.batch_size, problem.cum_m);
  return row_tiles * ceil_div<int64_t>(problem.n, shape.cluster_n());
}

}  // namespace

Choice choose(const Problem& problem, const DeviceInfo& device) {
  Choice choice;
  if (has_few_tiles(problem, device)) {
    choice.shape_idx = fastest_shape(problem, device);
  } else {
    choice.shape_idx = is_short_call(problem, device) ? k32x128 : choose_larger(problem, device);
  }
  const TileShape& shape = kTileShapes[static_cast<size_t>(choice.shape_idx)];
  // The last wave may halve tiles.
  const int64_t num_items = max_tiles(problem, shape) * (shape.multicast == Multicast::kB ? 2 : 1);
  choice.num_ctas =
      static_cast<int>(min_of(num_clusters(shape, device), num_items)) * shape.cluster_size;
  return choice;
}

bool can_load_sfa_by_tma(const Problem& problem) {
  return problem.granularity_m == 1 && problem.sfa.mn_stride == 1 &&
         problem.sfa.k_stride % kSfaStep == 0 && problem.sfa.group_stride % kSfaStep == 0 &&
         problem.rows_per_slab() % kSfaStep == 0 && is_aligned(problem.sfa.data, 16);
}

bool can_store_by_tma(const Problem& problem, const Shape& shape) {
  return shape.tma_store && problem.num_k_blocks > 1 && problem.out_dtype != Dtype::kFloat32 &&
         problem.out_rows_aligned(16) && problem.out.row_stride < kTensorMapStrideEnd / 2 &&
         problem.out.group_stride < kTensorMapStrideEnd / 2;
}

// Checks what tensor maps and the kernel's scale blocks ask for. Only the limit on tiles depends on
// the number of rows and groups, so a row's result does not depend on them.
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
  if (!is_aligned(problem.a.data, 16)) return refuse("needs a at a multiple of 16 bytes");
  if (!is_aligned(problem.b.data, 16)) return refuse("needs b at a multiple of 16 bytes");
  if (problem.a.row_stride >= kTensorMapStrideEnd || problem.b.row_stride >= kTensorMapStrideEnd ||
      problem.b.group_stride >= kTensorMapStrideEnd ||
      problem.a.group_stride >= kTensorMapStrideEnd) {
    return refuse("needs strides of a and b below 2^40 bytes");
  }
  for (const TileShape& shape : kTileShapes) {
    const int64_t max_n = INT32_MAX / shape.cluster_n() * shape.cluster_n();
    if (problem.n > max_n) return refuse("needs n of at most %jd", max_n);
    // Small blocks are for calls of few tiles.
    if (!shape.is_small() && max_tiles(problem, shape) >= kMaxTiles)
      return refuse("needs fewer than 2^30 tiles");
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
