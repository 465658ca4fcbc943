#include "backends/cpu/cpu_tile_shape.h"

#include "backends/cpu/cpu_gemm.h"
#include "core/math.h"
#include "host/tile_plan.h"

namespace ggfp8 {

TileShape choose_tile_shape(const Problem& problem, const WorkSummary& work,
                            int32_t num_workers) noexcept {
  // With few rows the time goes into reading b: few columns at a time, so that the rows of b that
  // are read at once stay within the translation buffer and the first-level cache.
  constexpr int64_t kFewRows = 16;
  constexpr int64_t kFewRowsCols = 64;
  constexpr int64_t kTilesPerWorker = 4;  // evens out threads that run at different speeds

  TileShape shape;
  shape.max_rows = min_of(kMaxTileRows, max_of(work.max_group_rows, int64_t{1}));
  shape.max_cols = work.num_rows <= kFewRows * work.num_groups ? kFewRowsCols : kMaxTileCols;
  narrow_tiles(problem, work, kMaxPanelCols, kTilesPerWorker * num_workers, &shape);
  return shape;
}

}  // namespace ggfp8
