// Computes the tiles of a problem on several threads, each with scratch memory of its own.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "host/call_threads.h"
#include "host/tile_queue.h"

namespace ggfp8 {

// Calls compute_tile(tile, scratch.view()) for every tile, on up to num_workers threads, with the
// default floating-point environment. Scratch is made from the shape of the tiles; a thread that
// gets no memory for it leaves its tiles to the others. Returns false, and has computed nothing,
// where the calling thread gets none. compute_tile must not throw.
template <class Scratch, class ComputeTile>
bool compute_tiles(const Problem& problem, const TileShape& shape, int32_t num_workers,
                   const ComputeTile& compute_tile) noexcept {
  const Scratch own_scratch(shape);
  if (!own_scratch.ok()) return false;
  const DefaultFloatScope float_scope;
  TileQueue queue(problem, shape);
  const auto work_with = [&](const Scratch& scratch) noexcept {
    for (WorkTile tile; queue.next(&tile);) compute_tile(tile, scratch.view());
  };
  run_with_helpers(
      num_workers - 1,
      [&]() noexcept {
        const DefaultFloatScope helper_float_scope;
        const Scratch scratch(shape);
        if (scratch.ok()) work_with(scratch);
      },
      [&]() noexcept { work_with(own_scratch); });
  return true;
}

}  // namespace ggfp8
