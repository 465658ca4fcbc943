#include "backends/sm90/sm90_heuristics.h"

#include "backends/sm90/sm90_config.h"
#include "core/math.h"

namespace ggfp8::sm90 {
namespace {

int64_t mean_rows(const Problem& problem) {
  return ceil_div(problem.cum_m, problem.batch_size);
}

// Larger tiles share out the rows of a group; it fits into the others whole.
bool is_large(const TileShape& shape) {
  return shape.tile_m() > 128;
}

// Clusters that the device runs at once: every SM holds one CTA.
int64_t num_clusters(const TileShape& shape, const DeviceInfo& device) {
  return max_of(device.num_processors / shape.cluster_size, 1);
}

// Time of a tile with all its rows, in units that only compare large tiles. Per product both take
// about the same; the larger one is preferred, because it moves fewer bytes.
int64_t tile_time(const TileShape& shape) {
  return shape.splits_rows ? 16 : 18;
}

// Time of the busiest cluster, if all groups had the mean number of rows.
int64_t busiest_time(const Problem& problem, const TileShape& shape, const DeviceInfo& device) {
  const int64_t row_tiles =
      problem.batch_size * ceil_div<int64_t>(mean_rows(problem), shape.tile_m());
  const int64_t num_tiles = row_tiles * ceil_div<int64_t>(problem.n, shape.tile_n());
  return ceil_div(num_tiles, num_clusters(shape, device)) * tile_time(shape);
}

// m_indptr is unknown here: every group may add one partly filled tile.
int64_t max_tiles(const Problem& problem, const TileShape& shape) {
  const int64_t row_tiles =
      min_of(problem.cum_m / shape.tile_m() + problem.batch_size, problem.cum_m);
  return row_tiles * ceil_div<int64_t>(problem.n, shape.tile_n());
}

}  // namespace

Choice choose(const Problem& problem, const DeviceInfo& device) {
  // The smallest tile that holds an average group: it reads b once and computes few rows that are
  // not there. Larger groups take the large tile that takes the busiest cluster less time.
  const TileShape* shape = kTileShapes.data();
  while (!is_large(*shape) && mean_rows(problem) > shape->tile_m()) ++shape;
  if (is_large(*shape)) {
    for (const TileShape* other = shape + 1; other <= &kTileShapes.back(); ++other) {
      if (busiest_time(problem, *other, device) <= busiest_time(problem, *shape, device)) {
        shape = other;
      }
    }
  }
  // The last wave of the largest tile halves tiles.
  const int64_t num_items = max_tiles(problem, *shape) * (shape->splits_rows ? 2 : 1);
  Choice choice;
  choice.shape_idx = static_cast<int>(shape - kTileShapes.data());
  choice.num_ctas =
      static_cast<int>(min_of(num_clusters(*shape, device), num_items)) * shape->cluster_size;
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
  // The kernel counts tiles and k in 32 bits, up to behind the last of each.
  constexpr int64_t kMaxTiles = int64_t{1} << 30;
  constexpr int64_t kMaxK = int64_t{1} << 30;
  if (problem.device_type != DeviceType::kCuda) return refuse("needs arrays on a CUDA device");
  if (device.compute_capability() != 90) {
    return refuse("needs compute capability 9.0, the device has %d.%d", device.compute_major,
                  device.compute_minor);
  }
  if (problem.granularity_n != 128 || problem.granularity_k != 128) {
    return refuse("needs scale_granularity_mnk (1, 128, 128) or (128, 128, 128), got (%d, %d, %d)",
                  problem.granularity_m, problem.granularity_n, problem.granularity_k);
  }
  if (problem.k == 0) return refuse("needs k of at least 16, got 0");
  if (problem.k >= kMaxK) return refuse("needs k below 2^30");
  if (!is_aligned(problem.a, 16)) return refuse("needs a at a multiple of 16 bytes");
  if (!is_aligned(problem.b, 16)) return refuse("needs b at a multiple of 16 bytes");
  if (problem.a_row_stride >= kMaxStride || problem.b_row_stride >= kMaxStride ||
      problem.b_group_stride >= kMaxStride) {
    return refuse("needs strides of a and b below 2^40 bytes");
  }
  for (const TileShape& shape : kTileShapes) {
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
