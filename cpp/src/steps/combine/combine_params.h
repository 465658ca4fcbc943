// Parameters of the kernels of the weighted sum: the problem, and what the host decided. Plain
// data, passed by value.
#pragma once

#include <cstdint>

#include "steps/combine/combine_problem.h"

namespace ggfp8::steps {

constexpr int kCombineChunk = 8;         // neighbouring columns that a thread works on
constexpr int kMaxCombineThreads = 128;  // of a CTA

// Rows whose chunks a thread loads before it adds the first. Many take the registers of further
// CTAs, which a small grid does not have.
constexpr int kRowsAtOnce = 4;
constexpr int kRowsAtOnceInSmallGrid = 8;
constexpr int64_t kSmallGridCtas = 512;

struct CombineParams {
  CombineProblem problem;
  int32_t num_chunks;  // of a row
  bool x_aligned;      // every chunk of x begins at a multiple of 16 bytes
  bool out_aligned;    // likewise out
};

}  // namespace ggfp8::steps
