#include "backends/mma/mma_heuristics.h"

#include "backends/mma/mma_config.h"
#include "backends/mma/mma_shared_storage.h"
#include "core/math.h"

namespace ggfp8::mma {
namespace {

// Upper bound on the tiles of a shape: the groups are unknown here, so each may add one partly
// filled row tile.
int64_t max_num_tiles(const Problem& problem, const TileShape& shape) {
  const int64_t row_tiles =
      min_of(problem.cum_m / shape.tile_m + problem.batch_size, problem.cum_m);
  return row_tiles * ceil_div<int64_t>(problem.n, shape.tile_n);
}

// Returns the shared memory of a CTA, which does not depend on the FP8 types.
int64_t smem_bytes_of_shape(int shape_idx) {
  return kSmemBytes[static_cast<size_t>(instance_idx(shape_idx, 0))];
}

// Returns the smallest of 16 and 64 rows that holds an average group: smaller tiles would read b
// again for each further row tile, larger ones would compute rows that are not there. 128 rows read
// less of a and b per product, which wins once their last, partly filled tile does not matter:
// measured on an H200 from about 1000 rows per group on.
int shape_for_rows(int64_t mean_rows, const DeviceInfo& device) {
  constexpr int kSmall = 0, kMedium = 1, kLarge = 2;
  constexpr int64_t kMinRowsForLarge = 1024;
  if (mean_rows <= kTileShapes[kSmall].tile_m) return kSmall;
  const bool fits = smem_bytes_of_shape(kLarge) <= device.max_smem_bytes_per_cta;
  return mean_rows >= kMinRowsForLarge && fits ? kLarge : kMedium;
}

}  // namespace

Choice choose(const Problem& problem, const DeviceInfo& device) {
  Choice choice;
  choice.shape_idx = problem.requested_config == kAnyConfig
                         ? shape_for_rows(problem.mean_rows(), device)
                         : problem.requested_config;
  const TileShape& shape = kTileShapes[static_cast<size_t>(choice.shape_idx)];

  // The driver keeps 1 KiB of an SM's shared memory per CTA. Devices with 100 KiB hold one CTA.
  const int64_t cta_bytes = smem_bytes_of_shape(choice.shape_idx) + 1024;
  const int64_t ctas_per_sm =
      clamp_to<int64_t>(device.smem_bytes_per_sm / cta_bytes, 1, shape.num_ctas_per_sm);
  choice.num_ctas =
      static_cast<int>(min_of(device.num_processors * ctas_per_sm, max_num_tiles(problem, shape)));
  return choice;
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

Support supports(const Problem& problem, const DeviceInfo& device) {
  if (problem.device_type != DeviceType::kCuda) return refuse("needs arrays on a CUDA device");
  if (device.compute_capability() < 80) {
    return refuse("needs compute capability 8.0 or later, the device has %jd.%jd",
                  device.compute_major, device.compute_minor);
  }
  const int64_t smem_bytes = smem_bytes_of_shape(choose(problem, device).shape_idx);
  if (device.max_smem_bytes_per_cta < smem_bytes) {
    return refuse("needs %jd bytes of shared memory per CTA, the device has %jd", smem_bytes,
                  device.max_smem_bytes_per_cta);
  }
  return {};
}

}  // namespace ggfp8::mma
