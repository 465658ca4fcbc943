// Pairs of token and choice as the kernels of routing read them.
#pragma once

#include <cstdint>

#include "steps/route/route_params.h"

namespace ggfp8::steps {

struct Pair {
  int32_t token;
  int32_t group;  // -1: none
};

// The pairs of a CTA.
struct PairRange {
  int64_t begin;
  int64_t end;
};

__device__ __forceinline__ PairRange pairs_of_chunk(const RouteParams& params, int64_t chunk) {
  const int64_t begin = chunk * params.plan.chunk_pairs;
  return {begin, min_of(begin + params.plan.chunk_pairs, params.problem.num_pairs())};
}

// There are fewer than 2^31 pairs, which makes the division one of 32 bits.
__device__ __forceinline__ Pair load_pair(const RouteProblem& p, int64_t idx) {
  const auto pair = static_cast<uint32_t>(idx);
  const auto top_k = static_cast<uint32_t>(p.top_k);
  const uint32_t token = pair / top_k;
  const int64_t element = token * p.row_stride + (pair - token * top_k);
  return {static_cast<int32_t>(token),
          group_of(p.top_k_index, p.index_is_int64, element, static_cast<int32_t>(p.num_groups))};
}

// Adds the chunk's pairs to the counts of their groups, in no order: sums of integers do not show
// it. The counts are zero before, and complete after the caller's next barrier.
__device__ __forceinline__ void count_pairs(const RouteProblem& p, const PairRange& pairs,
                                            int32_t* counts) {
  for (int64_t idx = pairs.begin + threadIdx.x; idx < pairs.end; idx += kRouteThreads) {
    const int32_t group = load_pair(p, idx).group;
    if (group >= 0) atomicAdd(&counts[group], 1);
  }
}

}  // namespace ggfp8::steps
