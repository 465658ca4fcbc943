// The one way to encode a tensor map: matrices of bytes, boxes of 128 bytes of each row in the
// 128-byte swizzle.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "core/status.h"

namespace ggfp8 {

// A stack of num_matrices matrices of num_rows x row_bytes bytes. Strides are in bytes.
struct ByteMatrices {
  const void* data;
  int64_t row_bytes;
  int64_t num_rows;
  int64_t num_matrices;
  int64_t row_stride;
  int64_t matrix_stride;
};

// Fills *map for boxes of 128 x box_rows bytes. The map has three dimensions; the stride between
// matrices must be legal also where there is one matrix.
Status encode_tensor_map(const ByteMatrices& matrices, int box_rows, CUtensorMap* map) noexcept;

// Fills *map for boxes of `depth` pieces of 128 x box_rows bytes that lie side by side in a matrix.
// In shared memory a box is its pieces one after the other. The map has four dimensions: byte of a
// piece, row, piece, matrix. It covers the whole pieces of a row: a row's last bytes, which do not
// fill a piece, are not part of it.
Status encode_deep_tensor_map(const ByteMatrices& matrices, int box_rows, int depth,
                              CUtensorMap* map) noexcept;

}  // namespace ggfp8
