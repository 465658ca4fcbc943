// What both mainloops share: how accumulators lie across a warpgroup, and what a consumer warpgroup
// works with.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_pipeline.cuh"
#include "backends/sm90/sm90_tile_ring.cuh"
#include "backends/sm90/sm90_tile_sequence.cuh"
#include "ptx/thread_idx.cuh"
#include "ptx/uniform.cuh"
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
  __device__ __forceinline__ explicit ThreadPosition(uint32_t thread)
      : warpgroup(ptx::uniform(static_cast<int>(thread / 128))),
        warp(static_cast<int>(thread % 128 / 32)),
        lane(static_cast<int>(thread % 32)),
        m(static_cast<int>(thread % 128 / 32 * 16 + thread % 32 / 4)),
        n(static_cast<int>(thread % 4 * 2)) {}
};

// Starts the products of a k-block of two tiles, named by the lower words of the descriptors of
// their first 32 k. Both lie `offset` further, in units of 16 bytes as descriptors count them.
// partial_acc is complete behind wgmma_wait<0>().
template <class Multiply, int kSize>
__device__ __forceinline__ void start_products(float (&partial_acc)[kSize], uint32_t m_word,
                                               uint32_t n_word, int offset) {
  ptx::wgmma_pin(partial_acc);
  ptx::wgmma_fence();
#pragma unroll
  for (int step = 0; step < kNumSteps; ++step) {
    const int step_offset = offset + step * 2;  // 32 k are 32 bytes
    Multiply::multiply(partial_acc, ptx::wgmma_descriptor_of(m_word + step_offset),
                       ptx::wgmma_descriptor_of(n_word + step_offset), step);
  }
  ptx::wgmma_commit();
  ptx::wgmma_pin(partial_acc);
}

// What a consumer warpgroup works with; its place moves on.
template <Config kConfig>
struct Consumer {
  const Params& params;
  const TileStorage& storage;
  Pipeline<kConfig> pipeline;
  OutBoxes<kConfig> out_boxes;
  uint32_t tile_idx = 0;

  // The tile at hand. It is known when its first stage is full.
  __device__ __forceinline__ OutBlock tile() const { return known_tile(storage, tile_idx); }

  // Whether all rows of a warp's boxes are the group's, in a tile of which its warpgroup has a wide
  // part.
  __device__ __forceinline__ static bool has_whole_box(const OutBlock& tile) {
    const auto first = static_cast<int32_t>(warp() * kStoreBoxRows);
    return ptx::uniform(static_cast<int>(is_full_box(first, tile.num_rows))) != 0;
  }

  // Asked for anew where it is needed: in the mainloop registers are short.
  __device__ __forceinline__ static ThreadPosition position() {
    return ThreadPosition(ptx::thread_idx());
  }

  // Of the CTA's consumers. Not made uniform, which position() does and takes time for.
  __device__ __forceinline__ static uint32_t warp() { return ptx::thread_idx() / 32; }
  __device__ __forceinline__ static uint32_t warpgroup() { return ptx::thread_idx() / 128; }

  // Where among a k-block's scales those of the tile's rows begin.
  __device__ __forceinline__ int first_sfa(const OutBlock& tile) const {
    return params.tma_sfa ? tile.row_begin & 3 : 0;  // % 4 would ask for the sign
  }

  // A tile of which this warpgroup has no part: gives back what the others use.
  __device__ __forceinline__ void skip_tile() {
    for (int i = 0; i < params.num_k_blocks; ++i) {
      pipeline.wait_full();
      pipeline.signal_empty();
      pipeline.advance();
    }
    pass_boxes();
    ++tile_idx;
  }

  // Done with a tile for which this warpgroup fills no boxes.
  __device__ __forceinline__ void pass_boxes() const {
    wait_for_boxes();
    out_boxes.signal_filled(warpgroup());
  }

  __device__ __forceinline__ void wait_for_boxes() const {
    out_boxes.wait_free(warpgroup(), tile_idx);
  }
};

}  // namespace ggfp8::sm90
