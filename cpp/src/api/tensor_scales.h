// The check of one array of scales: its shape in the layout asked for, and how its memory lies.
#pragma once

#include <cstdint>

#include "api/tensor_checks.h"
#include "core/problem.h"
#include "core/status.h"

namespace ggfp8 {

// Numbers of scale blocks. The array has an axis of matrices unless num_matrices is kOneMatrix.
struct ScaleShape {
  static constexpr int64_t kOneMatrix = -1;

  int64_t num_matrices;
  int64_t num_mn_blocks;  // along m for a_scale, along n for b_scale
  int64_t num_k_blocks;
};

// Says where a block lies, in the terms of ggfp8_group_gemm_args.
struct ScaleMemory {
  int32_t major = 0;      // GGFP8_SCALE_MAJOR_*: which index runs fastest
  int64_t stride = 0;     // between the other index's steps
  int64_t num_steps = 0;  // of the other index
};

// Strides of a view whose last two axes were swapped: the first of them is the contiguous one.
enum class SwappedAxes { kRefused, kAllowed };

// The shape must be the one of `options` for `major`: that says what the axes mean. The stride of
// an axis of matrices is positive.
Status read_scale(const Array& scale, const ScaleShape& shape, ScaleMajor major,
                  const Problem& options, SwappedAxes swapped_axes, ScaleMemory* memory) noexcept;

}  // namespace ggfp8
