// The kernel before every sm100 GEMM: turns the group array into the per-group tables, so that the
// host never reads it and a captured graph honours new contents.
//
// Groups are those of core/group_layout.h: disjoint and inside the arrays, whatever the group array
// holds.
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
  __shared__ int32_t chunk_gains[kNumTableThreads];
  const GroupSchedule& schedule = params.schedule;
  const auto chunk_idx = static_cast<int32_t>(threadIdx.x);
  chunk_gains[chunk_idx] = chunk_gain(schedule, chunk_idx);
  __syncthreads();

  int32_t reached_row = first_reached_row(schedule.layout);
  for (int32_t idx = 0; idx < chunk_idx; ++idx) {
    reached_row = combine_gains(schedule.layout, reached_row, chunk_gains[idx]);
  }
  write_chunk(params, chunk_idx, reached_row);
}

}  // namespace ggfp8::sm100
