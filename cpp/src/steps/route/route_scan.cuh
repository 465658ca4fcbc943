// First rows of groups out of counts: sums over the groups before each group.
#pragma once

#include <cstdint>

#include "steps/route/route_params.h"

namespace ggfp8::steps {

// The sum of `value` over the threads of the CTA before this one; *total over all. All threads
// call.
__device__ __forceinline__ int32_t sum_before(int32_t value, int32_t* total) {
  constexpr int kNumWarps = kRouteThreads / 32;
  __shared__ int32_t of_warps[kNumWarps];
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  int32_t sum = value;
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const int32_t lower = __shfl_up_sync(0xFFFFFFFFu, sum, step);
    if (lane >= step) sum += lower;
  }
  if (lane == 31) of_warps[warp] = sum;
  __syncthreads();
  int32_t before = 0;
  int32_t all = 0;
  for (int i = 0; i < kNumWarps; ++i) {
    if (i == warp) before = all;
    all += of_warps[i];
  }
  *total = all;
  return before + sum - value;
}

// Replaces counts by sums of the counts before them, each plus extra(group), and returns the sum of
// all counts. visit(group, sum) sees the sums without the extra. All threads call; counts may be
// read after the caller's next barrier.
template <class Extra, class Visit>
__device__ __forceinline__ int32_t scan_counts(int32_t* counts, int32_t num_groups,
                                               const Extra& extra, const Visit& visit) {
  const int32_t groups_each = ceil_div(num_groups, kRouteThreads);
  const int32_t first = min_of(static_cast<int32_t>(threadIdx.x) * groups_each, num_groups);
  const int32_t last = min_of(first + groups_each, num_groups);
  int32_t own = 0;
  for (int32_t group = first; group < last; ++group) own += counts[group];
  int32_t total = 0;
  int32_t sum = sum_before(own, &total);
  for (int32_t group = first; group < last; ++group) {
    const int32_t count = counts[group];
    visit(group, sum);
    counts[group] = sum + extra(group);
    sum += count;
  }
  return total;
}

}  // namespace ggfp8::steps
