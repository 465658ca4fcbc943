#include "backends/sm90/sm90_heuristics.h"

#include <cstddef>
#include <cstdint>

#include "backends/sm90/sm90_config.h"
#include "core/math.h"
#include "core/tensor_map_limits.h"

namespace ggfp8::sm90 {
namespace {

// Returns how many clusters the device runs at once: every SM holds one CTA.
int64_t num_clusters(const NamedShape& shape, const DeviceInfo& device) {
  return max_of(device.num_processors / shape.cluster_size, 1);
}

// Returns the most tiles that any groups can make: every group may add a partly filled one.
int64_t max_tiles(const Problem& problem, const NamedShape& shape, int tile_n) {
  const int64_t row_tiles =
      min_of(problem.cum_m / shape.cluster_m() + problem.batch_size, problem.cum_m);
  return row_tiles * ceil_div<int64_t>(problem.n, tile_n);
}

Tiling choose_tiling(const Problem& problem, const DeviceInfo& device) {
  return problem.requested_config == kAnyConfig
             ? fastest_tiling(problem, device)
             : fastest_tiling_of_shape(problem, problem.requested_config, device);
}

}  // namespace

Choice choose(const Problem& problem, const DeviceInfo& device) {
  Choice choice;
  choice.tiling = choose_tiling(problem, device);
  const NamedShape& shape = kTileShapes[static_cast<size_t>(choice.tiling.shape_idx)];
  // The last wave may halve tiles.
  const int64_t num_items =
      max_tiles(problem, shape, choice.tiling.tile_n) * (shape.multicast == Multicast::kB ? 2 : 1);
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
  return shape.tma_store && num_loaded_k_blocks(problem) > 1 &&
         problem.out_dtype != Dtype::kFloat32 && problem.out_rows_aligned(16) &&
         problem.out.row_stride < kTensorMapStrideEnd / 2 &&
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
  if ((problem.granularity_n != 64 && problem.granularity_n != 128) ||
      (problem.granularity_k != 64 && problem.granularity_k != 128)) {
    return refuse("needs scale_granularity_mnk with n and k 64 or 128, got (%jd, %jd, %jd)",
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
  for (int i = 0; i < static_cast<int>(kTileShapes.size()); ++i) {
    const NamedShape& shape = kTileShapes[static_cast<size_t>(i)];
    if (i == problem.requested_config && !has_scale_blocks_of(shape, problem)) {
      return refuse("needs a scale granularity of k of %jd, got %jd", shape.scale_k,
                    problem.granularity_k);
    }
    const int64_t max_n = INT32_MAX / shape.cluster_n() * shape.cluster_n();
    if (problem.n > max_n) return refuse("needs n of at most %jd", max_n);
    // Small blocks are chosen for calls of few tiles alone; a call may request them for any number.
    const bool is_for_few = shape.is_small() && i != problem.requested_config;
    if (!is_for_few && max_tiles(problem, shape, shape.cluster_n()) >= kMaxTiles) {
      return refuse("needs fewer than 2^30 tiles");
    }
  }
  return {};
}

Plan plan(const Problem& problem, const DeviceInfo& device) {
  const Choice choice = choose(problem, device);
  Plan plan;
  plan.config_idx =
      instance_idx(choice.tiling.shape_idx, dtype_pair_idx(problem.a_dtype, problem.b_dtype));
  plan.config_name = kTileShapes[static_cast<size_t>(choice.tiling.shape_idx)].name;
  plan.tile_n = choice.tiling.tile_n;
  plan.num_workers = choice.num_ctas;
  return plan;
}

}  // namespace ggfp8::sm90
