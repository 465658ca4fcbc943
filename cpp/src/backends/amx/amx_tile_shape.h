// How the amx backend shares out a problem: the number of threads, and the size of their tiles.
// Neither changes a result.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "host/tile_queue.h"

namespace ggfp8 {

// Returns the threads that num_rows rows in num_groups groups are worth, at least one.
int32_t amx_workers(const Problem& problem, int64_t num_rows, int64_t num_groups,
                    int32_t num_processors) noexcept;

// Returns the largest tile to cut.
TileShape amx_tile_shape(const Problem& problem, const WorkSummary& work,
                         int32_t num_workers) noexcept;

}  // namespace ggfp8
