// The first kernel of routing where there are several chunks: each CTA counts the pairs of its
// chunk by group, and writes one row of the table.
#pragma once

#include <cstdint>

#include "ptx/griddepcontrol.cuh"
#include "steps/route/route_pairs.cuh"

namespace ggfp8::steps {

__global__ void __launch_bounds__(kRouteThreads)
    route_count(const __grid_constant__ RouteParams params) {
  ptx::wait_for_kernels_before();
  __shared__ int32_t counts[kMaxSharedGroups];
  const auto num_groups = static_cast<int32_t>(params.problem.num_groups);
  const auto thread = static_cast<int32_t>(threadIdx.x);
  for (int32_t group = thread; group < num_groups; group += kRouteThreads) counts[group] = 0;
  __syncthreads();
  count_pairs(params.problem, pairs_of_chunk(params, blockIdx.x), counts);
  __syncthreads();
  int32_t* row = params.workspace + int64_t{blockIdx.x} * num_groups;
  for (int32_t group = thread; group < num_groups; group += kRouteThreads) {
    row[group] = counts[group];
  }
}

}  // namespace ggfp8::steps
