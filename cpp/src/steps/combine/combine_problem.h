// CombineProblem: what a weighted sum of rows is asked for, after the checks of the C API.
//
// Made by api/combine_args, read by the CPU's and CUDA's code. Every size, stride and code is
// legal, defaults are filled in, and out has at least one element.
#pragma once

#include <cstdint>

#include "core/problem.h"

namespace ggfp8::steps {

struct CombineProblem {
  const void* x = nullptr;
  const int32_t* position = nullptr;
  const void* weight = nullptr;
  void* out = nullptr;

  int64_t x_rows = 0;
  int64_t num_tokens = 0;
  int64_t top_k = 0;
  int64_t k = 0;

  int64_t x_row_stride = 0;
  int64_t position_row_stride = 0;
  int64_t weight_row_stride = 0;
  int64_t out_row_stride = 0;

  Dtype x_dtype = Dtype::kBFloat16;
  Dtype weight_dtype = Dtype::kFloat32;
  Dtype out_dtype = Dtype::kBFloat16;

  DeviceType device_type = DeviceType::kCuda;
  int32_t device_id = 0;
};

}  // namespace ggfp8::steps
