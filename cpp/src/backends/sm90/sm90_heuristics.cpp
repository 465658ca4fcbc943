#include "backends/sm90/sm90_heuristics.h"

#include "backends/sm90/sm90_config.h"
#include "core/math.h"

namespace ggfp8::sm90 {

Choice choose(const Problem& problem, const DeviceInfo& device) {
  Choice choice;
  // The smallest tile that holds an average group: it reads b once and computes few rows that are
  // not there. For larger groups the largest tile, which reads least through L2 per product and
  // skips what lies behind a group in steps of 64 rows.
  const int64_t mean_rows = ceil_div(problem.cum_m, problem.batch_size);
  constexpr int kLast = static_cast<int>(kTileShapes.size()) - 1;
  while (choice.shape_idx < kLast &&
         mean_rows > kTileShapes[static_cast<size_t>(choice.shape_idx)].tile_m) {
    ++choice.shape_idx;
  }
  // Every SM holds one CTA. m_indptr is unknown here: every group may add one partly filled tile.
  const int64_t tile_m = kTileShapes[static_cast<size_t>(choice.shape_idx)].tile_m;
  const int64_t row_tiles = min_of(problem.cum_m / tile_m + problem.batch_size, problem.cum_m);
  const int64_t num_tiles = row_tiles * ceil_div<int64_t>(problem.n, kTileN);
  choice.num_ctas = static_cast<int>(min_of<int64_t>(device.num_processors, num_tiles));
  return choice;
}

// What tensor maps and the kernel's scale blocks ask for. None of it depends on the number of rows
// or groups, so a row's result does not either.
Support supports(const Problem& problem, const DeviceInfo& device) {
  constexpr int64_t kMaxStride = int64_t{1} << 40;
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
  if (!is_aligned(problem.a, 16)) return refuse("needs a at a multiple of 16 bytes");
  if (!is_aligned(problem.b, 16)) return refuse("needs b at a multiple of 16 bytes");
  if (problem.a_row_stride >= kMaxStride || problem.b_row_stride >= kMaxStride ||
      problem.b_group_stride >= kMaxStride) {
    return refuse("needs strides of a and b below 2^40 bytes");
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
