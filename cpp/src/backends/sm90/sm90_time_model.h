// A model of how long a call takes with each tile shape, from what the host can see: sizes, but not
// how rows are shared out among groups. Pure host code.
#pragma once

#include <cstdint>

#include "core/device_info.h"
#include "core/problem.h"

namespace ggfp8::sm90 {

// How a call is cut into tiles.
struct Tiling {
  int shape_idx = 0;  // into kTileShapes
  int tile_n = 0;     // columns of a tile: the shape's, or what an open width is set to
};

// Returns the expected microseconds of a call where every group has so many rows.
double time_of_even_groups(const Problem& problem, int64_t rows, const Tiling& tiling,
                           const DeviceInfo& device);

// Returns the tiling that the model expects to be fastest. The host does not know the rows of a
// group, so two cases count: all groups have about the same rows, or one group has all of them.
// If it does not know the rows of all groups together either, this is the tiling that loses least
// over all numbers of rows.
Tiling fastest_tiling(const Problem& problem, const DeviceInfo& device);

// Returns the tiling of one shape. An open width is what fastest_tiling() would choose for it, or
// the whole block where the model leaves the problem to shapes of narrower tiles.
Tiling fastest_tiling_of_shape(const Problem& problem, int shape_idx, const DeviceInfo& device);

}  // namespace ggfp8::sm90
