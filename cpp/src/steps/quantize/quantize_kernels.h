// The kernels of quantisation, as host code sees them.
#pragma once

#include "core/problem.h"

namespace ggfp8::steps {

enum class QuantizeKernel {
  kRows,       // blocks of one row
  kFewRows,    // the same, for grids that are not large
  kGate,       // the same, of silu(gate) * up
  kSmallGate,  // the same, for small grids
  kScatter,    // blocks of one row, whose results go to several rows
  kTall,       // blocks of 128 rows
};

constexpr int kNumQuantizeKernels = 6 * 3 * 2;

// Numbers the kernels by kind, type of x and type of out.
constexpr int quantize_kernel_idx(QuantizeKernel kind, Dtype x_dtype, Dtype out_dtype) {
  const int x_idx = static_cast<int>(x_dtype) - static_cast<int>(Dtype::kBFloat16);
  return (static_cast<int>(kind) * 3 + x_idx) * 2 + (out_dtype == Dtype::kFloat8E5M2 ? 1 : 0);
}

constexpr QuantizeKernel kind_of_kernel(int idx) {
  return static_cast<QuantizeKernel>(idx / 6);
}
constexpr Dtype x_dtype_of_kernel(int idx) {
  return static_cast<Dtype>(idx / 2 % 3 + static_cast<int>(Dtype::kBFloat16));
}
constexpr Dtype out_dtype_of_kernel(int idx) {
  return idx % 2 == 0 ? Dtype::kFloat8E4M3 : Dtype::kFloat8E5M2;
}

// Address of the __global__ function of that number.
const void* quantize_kernel_address(int idx);

}  // namespace ggfp8::steps
