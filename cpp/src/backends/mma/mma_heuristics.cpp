#include "backends/mma/mma_heuristics.h"

#include "backends/mma/mma_config.h"
#include "core/math.h"

namespace ggfp8::mma {
namespace {

// Upper bound on the tiles of a shape: m_indptr is unknown here, so every group may add one
// partly filled row tile.
int64_t max_num_tiles(const Problem& problem, const TileShape& shape) {
  const int64_t row_tiles =
      min_of(problem.cum_m / shape.tile_m + problem.batch_size, problem.cum_m);
  return row_tiles * ceil_div<int64_t>(problem.n, shape.tile_n);
}

// The smallest shape whose rows hold an average group: smaller tiles would read b again for each
// further row tile, larger ones would compute rows that are not there.
int shape_for_rows(int64_t mean_rows) {
  int idx = 0;
  while (idx + 1 < static_cast<int>(kTileShapes.size()) &&
         mean_rows > kTileShapes[static_cast<size_t>(idx)].tile_m) {
    ++idx;
  }
  return idx;
}

}  // namespace

Choice choose(const Problem& problem, const DeviceInfo& device) {
  Choice choice;
  choice.shape_idx = shape_for_rows(ceil_div(problem.cum_m, problem.batch_size));
  const TileShape& shape = kTileShapes[static_cast<size_t>(choice.shape_idx)];

  // The driver keeps 1 KiB of an SM's shared memory per CTA. Devices with 100 KiB hold one CTA.
  const int64_t cta_bytes = config_of(instance_idx(choice.shape_idx, 0)).smem_bytes() + 1024;
  const int64_t ctas_per_sm =
      clamp_to<int64_t>(device.smem_bytes_per_sm / cta_bytes, 1, shape.num_ctas_per_sm);
  choice.num_ctas =
      static_cast<int>(min_of(device.num_processors * ctas_per_sm, max_num_tiles(problem, shape)));
  return choice;
}

}  // namespace ggfp8::mma
