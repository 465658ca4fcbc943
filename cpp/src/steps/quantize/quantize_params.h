// Parameters of the kernels of quantisation: the problem, and what the host decided. Plain data,
// passed by value.
#pragma once

#include <cstdint>

#include "steps/quantize/quantize_problem.h"

namespace ggfp8::steps {

struct QuantizeParams {
  QuantizeProblem problem;
  int32_t num_k_blocks;
  int32_t lanes_log2;       // so many threads share a block's row, with a chunk each
  int32_t blocks_per_tile;  // k-blocks that a CTA has side by side
  int32_t num_tiles;        // of so many k-blocks
  int32_t rows_per_cta;     // at most those of the kernel
  bool tiles_first;         // along the grid's first axis, and rows along the second
  bool x_aligned;           // every chunk of x begins at a multiple of 16 bytes
  bool out_aligned;         // every chunk of out begins at a multiple of 16 bytes
  bool scales_joined;       // scales of a row are neighbours, and begin at a multiple of 16 bytes
};

}  // namespace ggfp8::steps
