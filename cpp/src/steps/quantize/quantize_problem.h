// QuantizeProblem: what a quantisation is asked for, after the checks of the C API.
//
// Made by api/quantize_args, read by the CPU's and CUDA's code. Every size, stride and code is
// legal, defaults are filled in, and there is at least one block.
#pragma once

#include <cstdint>
#include <limits>

#include "core/problem.h"

namespace ggfp8::steps {

enum class IndexType : int32_t { kNone, kInt32, kInt64 };

// Elements are silu(gate) * up, of the two halves of a row of x, rather than x.
struct Gate {
  bool enabled = false;
  bool has_limit = false;
  float limit = std::numeric_limits<float>::infinity();
  float alpha = 1.0f;     // factor of the gate inside the sigmoid
  bool adds_one = false;  // up + 1 in place of up
};

struct QuantizeProblem {
  const void* x = nullptr;
  const void* row_index = nullptr;    // the row of x for each row of out, or null
  const int32_t* position = nullptr;  // the rows of out for each row of x, or null
  const int32_t* m_indptr = nullptr;  // its first and last values bound the rows, or null
  uint8_t* out = nullptr;
  float* scale = nullptr;

  int64_t batch_size = 1;
  int64_t rows = 0;  // of a matrix of out; with positions, of x
  int64_t k = 0;
  int64_t x_rows = 0;      // of x, where there is a row_index
  int64_t num_groups = 0;  // of m_indptr
  int64_t out_rows = 0;    // of out, where there are positions
  int64_t top_k = 0;       // positions of a row of x
  int64_t position_row_stride = 0;

  int64_t x_row_stride = 0;
  int64_t x_batch_stride = 0;
  int64_t out_row_stride = 0;
  int64_t out_batch_stride = 0;
  // Both scale majors in one form: scale[batch * batch_stride + rb * row_stride + kb * k_stride].
  int64_t scale_row_stride = 0;
  int64_t scale_k_stride = 0;
  int64_t scale_batch_stride = 0;

  Dtype x_dtype = Dtype::kBFloat16;
  Dtype out_dtype = Dtype::kFloat8E4M3;
  IndexType index_type = IndexType::kNone;
  int32_t block_rows = 1;
  int32_t block_k = 128;
  bool power_of_two = false;
  Gate gate;

  DeviceType device_type = DeviceType::kCuda;
  int32_t device_id = 0;

  int64_t num_row_blocks() const { return ceil_div<int64_t>(rows, block_rows); }
  int64_t num_k_blocks() const { return ceil_div<int64_t>(k, block_k); }
};

// Rows of out that are written; others are left alone.
struct RowRange {
  int64_t begin;
  int64_t end;
};

// A malformed m_indptr gives some range inside of out.
GGFP8_HOST_DEVICE inline RowRange row_range(const int32_t* m_indptr, int64_t num_groups,
                                            int64_t rows) {
  if (m_indptr == nullptr) return {0, rows};
  return {clamp_to<int64_t>(m_indptr[0], 0, rows),
          clamp_to<int64_t>(m_indptr[num_groups], 0, rows)};
}

// Returns what row_index has for a row of out: a row of x, or anything else for none.
GGFP8_HOST_DEVICE inline int64_t read_row_index(const void* row_index, IndexType type,
                                                int64_t row) {
  if (type == IndexType::kNone) return row;
  return type == IndexType::kInt32 ? static_cast<const int32_t*>(row_index)[row]
                                   : static_cast<const int64_t*>(row_index)[row];
}

GGFP8_HOST_DEVICE inline bool is_source_row(int64_t row, const QuantizeProblem& problem) {
  return problem.index_type == IndexType::kNone || (row >= 0 && row < problem.x_rows);
}

}  // namespace ggfp8::steps
