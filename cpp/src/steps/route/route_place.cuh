// The second kernel of routing, the only one where there is one chunk: finds the first row of each
// group for this chunk, and places the chunk's pairs.
#pragma once

#include <cstdint>

#include "ptx/griddepcontrol.cuh"
#include "steps/route/route_pairs.cuh"
#include "steps/route/route_scan.cuh"

namespace ggfp8::steps {

// Sums of the table's columns: all chunks, and the chunks before this one. Both are zero before,
// and complete after the caller's next barrier. A column is shared by several threads where there
// are fewer groups than threads.
__device__ __forceinline__ void add_table(const RouteParams& params, int32_t num_groups,
                                          int32_t* of_all, int32_t* of_earlier) {
  const int32_t num_chunks = params.plan.num_chunks;
  const auto own_chunk = static_cast<int32_t>(blockIdx.x);
  const int32_t num_parts = max_of(kRouteThreads / max_of(num_groups, 1), 1);
  for (auto i = static_cast<int32_t>(threadIdx.x); i < num_groups * num_parts; i += kRouteThreads) {
    const int32_t part = i / num_groups;
    const int32_t group = i - part * num_groups;
    int32_t all = 0;
    int32_t earlier = 0;
#pragma unroll 8
    for (int32_t chunk = part; chunk < num_chunks; chunk += num_parts) {
      const int32_t count = __ldg(&params.workspace[int64_t{chunk} * num_groups + group]);
      all += count;
      earlier += chunk < own_chunk ? count : 0;
    }
    atomicAdd(&of_all[group], all);
    atomicAdd(&of_earlier[group], earlier);
  }
}

// Places pairs in their order: warp after warp takes rows from next_row, which has the next free
// row of each group; inside a warp the lanes of one group follow one another.
__device__ __forceinline__ void place_pairs(const RouteProblem& p, const PairRange& pairs,
                                            int32_t* next_row) {
  const auto warp = static_cast<int32_t>(threadIdx.x) / 32;
  const unsigned lanes_below = (1u << (threadIdx.x % 32)) - 1;
  for (int64_t first = pairs.begin; first < pairs.end; first += kRouteThreads) {
    const int64_t idx = first + threadIdx.x;
    const Pair pair = idx < pairs.end ? load_pair(p, idx) : Pair{-1, -1};
    const unsigned peers = __match_any_sync(0xFFFFFFFFu, pair.group);
    const int rank = __popc(peers & lanes_below);
    const auto num_left = static_cast<int32_t>(min_of<int64_t>(pairs.end - first, kRouteThreads));
    int32_t base = 0;
    for (int32_t turn = 0; turn < ceil_div(num_left, 32); ++turn) {
      if (turn == warp && rank == 0 && pair.group >= 0) {
        base = next_row[pair.group];
        next_row[pair.group] = base + __popc(peers);
      }
      __syncthreads();
    }
    base = __shfl_sync(0xFFFFFFFFu, base, __ffs(static_cast<int>(peers)) - 1);
    if (idx >= pairs.end) continue;
    p.position[idx] = pair.group >= 0 ? base + rank : -1;
    if (pair.group >= 0) p.row_index[base + rank] = pair.token;
  }
}

// Writes -1 to this chunk's part of row_index from num_rows on.
__device__ __forceinline__ void clear_rows(const RouteProblem& p, const PairRange& pairs,
                                           int64_t num_rows) {
  for (int64_t row = max_of(pairs.begin, num_rows) + threadIdx.x; row < pairs.end;
       row += kRouteThreads) {
    p.row_index[row] = -1;
  }
}

__global__ void __launch_bounds__(kRouteThreads)
    route_place(const __grid_constant__ RouteParams params) {
  ptx::wait_for_kernels_before();
  __shared__ int32_t shared_counts[kMaxSharedGroups];
  __shared__ int32_t of_earlier[kMaxSharedGroups];
  const RouteProblem& p = params.problem;
  const auto num_groups = static_cast<int32_t>(p.num_groups);
  const bool has_table = params.plan.num_chunks > 1;
  const PairRange pairs = pairs_of_chunk(params, blockIdx.x);
  int32_t* counts = params.plan.counts_shared ? shared_counts : params.workspace;

  for (auto group = static_cast<int32_t>(threadIdx.x); group < num_groups; group += kRouteThreads) {
    counts[group] = 0;
    if (has_table) of_earlier[group] = 0;
  }
  __syncthreads();
  if (has_table) {
    add_table(params, num_groups, counts, of_earlier);
  } else {
    count_pairs(p, pairs, counts);
  }
  __syncthreads();
  const bool writes_bounds = blockIdx.x == 0;
  const int32_t num_rows = scan_counts(
      counts, num_groups, [&](int32_t group) { return has_table ? of_earlier[group] : 0; },
      [&](int32_t group, int32_t row) {
        if (writes_bounds) p.m_indptr[group] = row;
      });
  if (writes_bounds && threadIdx.x == 0) p.m_indptr[num_groups] = num_rows;
  __syncthreads();
  place_pairs(p, pairs, counts);
  clear_rows(p, pairs, num_rows);
}

}  // namespace ggfp8::steps
