// Helpers of handlers of other interfaces, which turn arrays with shapes into a
// ggfp8_group_gemm_args: how many scale blocks the arrays have, and the part of an array of bytes
// that can be the workspace. Nothing is validated here: the C API refuses what is illegal.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/math.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

// Numbers of scale blocks.
struct ScaleBlocks {
  int64_t m;
  int64_t n;
  int64_t k;
};

// Counts the scale blocks of the sizes in args. An illegal granularity gives no blocks.
inline ScaleBlocks scale_blocks(const ggfp8_group_gemm_args& args) {
  const auto count = [](int64_t size, int32_t granularity, int32_t fallback) {
    const int64_t step = granularity == 0 ? fallback : granularity;
    return step > 0 ? ceil_div<int64_t>(size, step) : int64_t{0};
  };
  return {count(args.cum_m, args.scale_granularity_m, 1),
          count(args.n, args.scale_granularity_n, 128),
          count(args.k, args.scale_granularity_k, 128)};
}

struct WorkspacePart {
  void* data;  // null if nothing is left
  size_t bytes;
};

// Returns the part of these bytes from the first aligned address on: frameworks align to less.
inline WorkspacePart aligned_workspace(void* data, size_t bytes) {
  const auto start = reinterpret_cast<uintptr_t>(data);
  const uintptr_t skipped = round_up<uintptr_t>(start, GGFP8_WORKSPACE_ALIGNMENT) - start;
  if (bytes <= skipped) return {nullptr, 0};
  return {static_cast<char*>(data) + skipped, bytes - skipped};
}

}  // namespace ggfp8
