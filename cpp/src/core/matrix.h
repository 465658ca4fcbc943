// The arrays of a product, as Problem holds them. Strides count elements.
// Group g begins at g * group_stride; the group stride is 0 where all groups share one slab.
#pragma once

#include <cstdint>

namespace ggfp8 {

// FP8 codes, a byte each: element (row, k) of a, element (column, k) of b.
struct Matrix {
  const uint8_t* data = nullptr;
  int64_t row_stride = 0;
  int64_t group_stride = 0;
};

// The result: element (row, column), of out_dtype.
struct OutMatrix {
  void* data = nullptr;
  int64_t row_stride = 0;
  int64_t group_stride = 0;
};

// Scale factors. A block (mn, k) covers granularity_m rows of a, or granularity_n columns of b, and
// granularity_k elements of k. Strides express both scale majors.
struct Scales {
  const float* data = nullptr;
  int64_t mn_stride = 0;
  int64_t k_stride = 0;
  int64_t group_stride = 0;
};

}  // namespace ggfp8
