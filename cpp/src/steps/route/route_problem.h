// RouteProblem: what a routing is asked for, after the checks of the C API.
//
// Made by api/route_args, read by the CPU's and CUDA's code. Every size and code is legal, and
// defaults are filled in. There may be no pair and no group; m_indptr is written in any case.
#pragma once

#include <cstdint>

#include "core/problem.h"

namespace ggfp8::steps {

struct RouteProblem {
  const void* top_k_index = nullptr;
  int32_t* row_index = nullptr;
  int32_t* position = nullptr;
  int32_t* m_indptr = nullptr;

  int64_t num_tokens = 0;
  int64_t top_k = 0;
  int64_t num_groups = 0;
  int64_t row_stride = 0;  // of top_k_index
  bool index_is_int64 = false;

  DeviceType device_type = DeviceType::kCuda;
  int32_t device_id = 0;

  GGFP8_HOST_DEVICE int64_t num_pairs() const { return num_tokens * top_k; }
};

// The group of a pair, or -1 where it is no group. `idx` counts elements of top_k_index.
GGFP8_HOST_DEVICE inline int32_t group_of(const void* top_k_index, bool is_int64, int64_t idx,
                                          int32_t num_groups) {
  const int64_t group = is_int64 ? static_cast<const int64_t*>(top_k_index)[idx]
                                 : static_cast<const int32_t*>(top_k_index)[idx];
  return group >= 0 && group < num_groups ? static_cast<int32_t>(group) : -1;
}

}  // namespace ggfp8::steps
