#include "backends/amx/amx_tile_shape.h"

#include "backends/amx/amx_gemm.h"
#include "core/math.h"
#include "host/tile_plan.h"

namespace ggfp8 {

int32_t amx_workers(const Problem& problem, int64_t num_rows, int64_t num_groups,
                    int32_t num_processors) noexcept {
  constexpr ThreadWork kWork = {.decode_rows = 32, .products_per_worker = 32'000'000};
  return worthwhile_workers(problem, num_rows, num_groups, num_processors, kWork);
}

TileShape amx_tile_shape(const Problem& problem, const WorkSummary& work,
                         int32_t num_workers) noexcept {
  constexpr int64_t kTilesPerWorker = 3;  // evens out threads that run at different speeds
  constexpr int64_t kMinCols = 2 * kAmxPanelCols;

  TileShape shape;
  shape.max_rows = clamp_to(work.max_group_rows, int64_t{1}, kAmxMaxRows);
  shape.max_cols = kAmxMaxCols;
  narrow_tiles(problem, work, kMinCols, kTilesPerWorker * num_workers, &shape);
  return shape;
}

}  // namespace ggfp8
