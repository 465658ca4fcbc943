// The kernel before every sm100 GEMM: turns m_indptr into the per-group tables, so that the
// host never reads it and a captured graph honours new contents.
//
// Bounds are those of core/group_schedule.h: a malformed m_indptr gives groups that are disjoint
// and lie inside the arrays.
#pragma once

#include <cstdint>

#include "backends/sm100/sm100_group_entry.h"
#include "backends/sm100/sm100_params.h"
#include "core/group_schedule.h"
#include "core/math.h"

namespace ggfp8::sm100 {

// Runs as one CTA of kNumTableThreads threads, each with a run of groups.
__global__ void __launch_bounds__(kNumTableThreads)
    sm100_fill_group_tables(const __grid_constant__ TableParams params) {
  __shared__ int32_t chunk_row_maxima[kNumTableThreads];
  const GroupSchedule& schedule = params.schedule;
  const auto chunk_idx = static_cast<int32_t>(threadIdx.x);
  chunk_row_maxima[chunk_idx] = chunk_row_max(schedule, chunk_idx);
  __syncthreads();

  int32_t row = clamped_bound(schedule, 0);
  for (int32_t idx = 0; idx < chunk_idx; ++idx) row = max_of(row, chunk_row_maxima[idx]);

  const int32_t first = chunk_idx * schedule.groups_per_chunk;
  const int32_t last = min_of(first + schedule.groups_per_chunk, schedule.batch_size);
#pragma unroll 1  // mostly one group per thread
  for (int32_t group_idx = first; group_idx < last; ++group_idx) {
    const int32_t end = max_of(row, clamped_bound(schedule, group_idx + 1));
    write_group(params, group_idx, row, end);
    row = end;
  }
}

}  // namespace ggfp8::sm100
