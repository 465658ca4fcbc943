// What the mainloops of both tiles share: how accumulators lie across a warpgroup, and what a
// consumer warpgroup works with.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_pipeline.cuh"
#include "backends/sm90/sm90_tiles.cuh"
#include "ptx/thread_idx.cuh"
#include "ptx/wgmma.cuh"

namespace ggfp8::sm90 {

// The accumulators of a thread for 64 x N over 128 threads.
template <int kN>
using BlockAccumulator = float[kN / 2];

// Position of a thread in its warpgroup's 64 x N result: `m` of its first row (the second is 8
// further) and `n` of its first pair of columns (the next is 8 further).
struct ThreadPosition {
  int warpgroup;
  int warp;  // of the warpgroup
  int lane;
  int m;
  int n;

  // `thread` is its number in the CTA.
  __device__ __forceinline__ explicit ThreadPosition(int thread)
      // Shuffled, so that the compiler knows that branches on it do not diverge.
      : warpgroup(__shfl_sync(0xFFFFFFFFu, thread / 128, 0)),
        warp(thread % 128 / 32),
        lane(thread % 32),
        m(warp * 16 + lane / 4),
        n(lane % 4 * 2) {}
};

// What a consumer warpgroup works with; its place moves on.
template <Config kConfig>
struct Consumer {
  const Params& params;
  const TileStorage& storage;
  Pipeline<kConfig> pipeline;
  uint32_t out_boxes;  // shared memory for finished rows
  uint32_t tile_idx = 0;

  // The tile that the present stage, which is full, belongs to, or that has been finished last.
  // Shuffled, so that the compiler knows that branches on it do not diverge.
  __device__ __forceinline__ OutTile tile() const {
    const OutTile& mine = storage.records[tile_idx % kNumTileRecords];
    const auto first = [](int32_t value) { return __shfl_sync(0xFFFFFFFFu, value, 0); };
    return {first(mine.row_begin), first(mine.num_rows), first(mine.col_begin),
            first(mine.num_cols)};
  }

  // Asked for anew where it is needed: in the mainloop registers are short.
  __device__ __forceinline__ static ThreadPosition position() {
    return ThreadPosition(static_cast<int>(ptx::thread_idx()));
  }

  // Where among a k-block's scales those of the tile's rows begin.
  __device__ __forceinline__ int first_sfa(const OutTile& tile) const {
    return params.sfa_in_bulk ? tile.row_begin % 4 : 0;
  }

  // A tile of which this warpgroup has no part: gives back what the others use.
  __device__ __forceinline__ void skip_tile() {
    for (int i = 0; i < params.num_k_blocks; ++i) {
      pipeline.wait_full();
      pipeline.signal_empty();
      pipeline.advance();
    }
  }
};

}  // namespace ggfp8::sm90
