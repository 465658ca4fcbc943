// Parameters of the kernels of the weighted sum: the problem, and what the host decided. Plain
// data, passed by value.
#pragma once

#include <cstdint>

#include "steps/combine/combine_problem.h"

namespace ggfp8::steps {

constexpr int kCombineChunk = 8;         // neighbouring columns that a thread works on
constexpr int kMaxCombineThreads = 256;  // of a CTA
constexpr int kRowsAtOnce = 4;  // rows whose chunks a thread loads before it adds the first

struct CombineParams {
  CombineProblem problem;
  int32_t num_chunks;  // of a row
  bool x_aligned;      // every chunk of x begins at a multiple of 16 bytes
  bool out_aligned;    // likewise out
};

}  // namespace ggfp8::steps
