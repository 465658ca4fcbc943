// How a routing runs on a CUDA device: a pure function of its sizes.
//
//     pairs          | chunk 0 | chunk 1 | ... |      a CTA has one chunk
//     route_count    writes, for each chunk, how many of its pairs each group gets, into the table
//     route_place    adds up the table, which gives each chunk its first row in each group, and
//                    places the pairs of the chunk one warp after the other
//
// With one chunk there is no route_count and no table: the CTA counts its pairs itself. Counts of
// the groups are in shared memory, or in the workspace where there are too many groups.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/math.h"

namespace ggfp8::steps {

constexpr int kRouteThreads = 1024;
constexpr int kMaxSharedGroups = 4096;  // two counts per group in the 48 KiB that every CTA has

struct RoutePlan {
  int32_t num_chunks;
  int64_t chunk_pairs;  // the last chunk may have fewer
  bool counts_shared;   // counts are in shared memory
  size_t workspace_bytes;
};

inline RoutePlan plan_route(int64_t num_pairs, int64_t num_groups) {
  if (num_groups > kMaxSharedGroups) {
    return {1, num_pairs, false, static_cast<size_t>(num_groups) * sizeof(int32_t)};
  }
  // Every CTA reads the whole table: it has at most so many counts, and a column per SM suffices.
  constexpr int64_t kMaxTableCounts = 32768;
  constexpr int64_t kMaxChunks = 128;
  constexpr int64_t kOneChunkPairs = 2048;  // a second kernel would cost more
  if (num_pairs <= kOneChunkPairs) return {1, num_pairs, true, 0};
  const int64_t most =
      clamp_to<int64_t>(kMaxTableCounts / max_of<int64_t>(num_groups, 1), 1, kMaxChunks);
  const int64_t wanted = min_of(ceil_div<int64_t>(num_pairs, kRouteThreads), most);
  const int64_t chunk_pairs = round_up<int64_t>(ceil_div(num_pairs, wanted), kRouteThreads);
  const int64_t num_chunks = ceil_div(num_pairs, chunk_pairs);
  const auto table_counts = static_cast<size_t>(num_chunks * num_groups);
  return {static_cast<int32_t>(num_chunks), chunk_pairs, true,
          num_chunks == 1 ? 0 : table_counts * sizeof(int32_t)};
}

}  // namespace ggfp8::steps
