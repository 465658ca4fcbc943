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

}  // namespace ggfp8::sm90
