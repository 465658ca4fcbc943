#include "backends/amx/amx_tile_shape.h"

#include "backends/amx/amx_gemm.h"
#include "core/math.h"

namespace ggfp8 {

// Decoding a group's b costs about as much as multiplying it by kDecodeRows rows. Integers only:
// plan() must not raise the caller's floating-point flags.
int32_t amx_workers(const Problem& problem, int64_t num_rows, int64_t num_groups,
                    int32_t num_processors) noexcept {
  constexpr int64_t kDecodeRows = 32;
  constexpr int64_t kProductsPerWorker = 32'000'000;  // 0.1 ms: several times a thread's start
  constexpr int64_t kEnough = int64_t{1} << 30;  // products of a row; keeps int64 from overflow
  const int64_t num_products =
      min_of(problem.n * problem.k, kEnough) * (num_rows + kDecodeRows * num_groups);
  return static_cast<int32_t>(clamp_to(num_products / kProductsPerWorker, int64_t{1},
                                       max_of(int64_t{num_processors}, int64_t{1})));
}

TileShape amx_tile_shape(const Problem& problem, const WorkSummary& work,
                         int32_t num_workers) noexcept {
  constexpr int64_t kTilesPerWorker = 3;  // evens out threads that run at different speeds
  constexpr int64_t kMinCols = 2 * kAmxPanelCols;

  TileShape shape;
  shape.max_rows = clamp_to(work.max_group_rows, int64_t{1}, kAmxMaxRows);
  shape.max_cols = kAmxMaxCols;
  const int64_t num_row_tiles = max_of(work.num_groups, ceil_div(work.num_rows, shape.max_rows));
  while (shape.max_cols > kMinCols &&
         num_row_tiles * ceil_div(problem.n, shape.max_cols) < kTilesPerWorker * num_workers) {
    shape.max_cols /= 2;
  }
  return shape;
}

}  // namespace ggfp8
