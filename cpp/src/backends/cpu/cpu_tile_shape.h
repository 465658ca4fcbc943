// The size of the tiles that the cpu backend cuts a problem into.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "host/tile_queue.h"

namespace ggfp8 {

TileShape choose_tile_shape(const Problem& problem, const WorkSummary& work,
                            int32_t num_workers) noexcept;

}  // namespace ggfp8
