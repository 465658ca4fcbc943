// WorkTile: the part of a product that a thread computes at a time.
//
// NOTE: files with instruction-set flags include it, so it has no functions.
#pragma once

#include <cstdint>

namespace ggfp8 {

// A rectangle of out inside one group.
struct WorkTile {
  int64_t group = 0;
  int64_t group_begin = 0;  // first row of the group, in its slab
  int64_t row_begin = 0;
  int64_t num_rows = 0;
  int64_t col_begin = 0;
  int64_t num_cols = 0;
};

}  // namespace ggfp8
