// How a backend of the CPU shares out a problem: the number of threads, and the columns of a tile.
// Neither changes a result.
#pragma once

#include <cstdint>

#include "core/math.h"
#include "core/problem.h"
#include "host/tile_queue.h"

namespace ggfp8 {

// The work of one thread, by which threads are counted out.
struct ThreadWork {
  int64_t decode_rows;          // decoding a group's b costs about as much as this many rows
  int64_t products_per_worker;  // 0.1 ms: several times a thread's start
};

// Returns the threads that num_rows rows in num_groups groups are worth, at least one. Integers
// only: plan() must not raise the caller's floating-point flags.
inline int32_t worthwhile_workers(const Problem& problem, int64_t num_rows, int64_t num_groups,
                                  int32_t num_processors, const ThreadWork& work) noexcept {
  constexpr int64_t kEnough = int64_t{1} << 30;  // products of a row; keeps int64 from overflow
  const int64_t num_products =
      min_of(problem.n * problem.k, kEnough) * (num_rows + work.decode_rows * num_groups);
  return static_cast<int32_t>(clamp_to(num_products / work.products_per_worker, int64_t{1},
                                       max_of(int64_t{num_processors}, int64_t{1})));
}

// Halves the columns of a tile, down to min_cols, until there are num_tiles tiles.
inline void narrow_tiles(const Problem& problem, const WorkSummary& work, int64_t min_cols,
                         int64_t num_tiles, TileShape* shape) noexcept {
  const int64_t num_row_tiles = max_of(work.num_groups, ceil_div(work.num_rows, shape->max_rows));
  while (shape->max_cols > min_cols &&
         num_row_tiles * ceil_div(problem.n, shape->max_cols) < num_tiles) {
    shape->max_cols /= 2;
  }
}

}  // namespace ggfp8
