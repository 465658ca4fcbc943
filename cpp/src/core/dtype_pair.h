// The four pairs of FP8 types of a and b, as numbers: GPU backends have a kernel for each.
#pragma once

#include "core/problem.h"

namespace ggfp8 {

constexpr int kNumDtypePairs = 4;

constexpr int dtype_pair_idx(Dtype a_dtype, Dtype b_dtype) {
  return (a_dtype == Dtype::kFloat8E5M2 ? 2 : 0) + (b_dtype == Dtype::kFloat8E5M2 ? 1 : 0);
}

constexpr Dtype a_dtype_of_pair(int pair_idx) {
  return pair_idx / 2 == 0 ? Dtype::kFloat8E4M3 : Dtype::kFloat8E5M2;
}

constexpr Dtype b_dtype_of_pair(int pair_idx) {
  return pair_idx % 2 == 0 ? Dtype::kFloat8E4M3 : Dtype::kFloat8E5M2;
}

// Instances are numbered by tile shape, then by pair.
constexpr int instance_idx(int shape_idx, int pair_idx) {
  return shape_idx * kNumDtypePairs + pair_idx;
}

}  // namespace ggfp8
