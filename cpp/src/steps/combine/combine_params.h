// Parameters of the kernels of the weighted sum: the problem, and what the host decided. Plain
// data, passed by value.
#pragma once

#include <cstdint>

#include "steps/combine/combine_problem.h"

namespace ggfp8::steps {

constexpr int kMaxCombineThreads = 128;  // of a CTA

// How a grid is cut: neighbouring columns that a thread works on, and rows whose chunks it loads
// before it adds the first. A small grid has registers for more rows, and needs more threads.
struct CombineShape {
  int columns;
  int rows_at_once;
};
constexpr CombineShape combine_shape(bool small_grid) {
  return small_grid ? CombineShape{4, 8} : CombineShape{8, 4};
}
constexpr int64_t kSmallGridCtas =
    512;  // of kMaxCombineThreads threads that are shaped for a large grid

struct CombineParams {
  CombineProblem problem;
  int32_t num_chunks;  // of a row
  bool x_aligned;      // rows of x begin at a multiple of 16 bytes
  bool out_aligned;    // likewise out
};

}  // namespace ggfp8::steps
