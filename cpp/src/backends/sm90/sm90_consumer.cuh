// A consumer warpgroup: its position in the rings, how accumulators lie across its threads, and how
// it starts products. The mainloops and epilogues work with it.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_pipeline.cuh"
#include "backends/sm90/sm90_tile_ring.cuh"
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

// Starts the wgmma of a scale block, one for every 32 k. m_word and n_word are the lower words of
// descriptors. The first 32 k of both operands lie `offset` units of 16 bytes after what these
// describe; descriptors count in such units. Groups of eight rows of the M side lie kGroupBytesM
// apart. Postcondition: partial_acc is complete after wgmma_wait<0>().
template <class Multiply, int kScaleK, int kGroupBytesM = 1024, int kSize>
__device__ __forceinline__ void start_products(float (&partial_acc)[kSize], uint32_t m_word,
                                               uint32_t n_word, int offset) {
  ptx::wgmma_pin(partial_acc);
  ptx::wgmma_fence();
#pragma unroll
  for (int step = 0; step < kScaleK / 32; ++step) {
    const int step_offset = offset + step * 2;  // 32 k are 32 bytes
    Multiply::multiply(partial_acc, ptx::wgmma_descriptor_of<kGroupBytesM>(m_word + step_offset),
                       ptx::wgmma_descriptor_of(n_word + step_offset), step);
  }
  ptx::wgmma_commit();
  ptx::wgmma_pin(partial_acc);
}

// The state of a consumer warpgroup. pipeline and tile_idx move on.
template <Config kConfig>
struct Consumer {
  const Params& params;
  const TileRing<kConfig>& ring;
  Pipeline<kConfig> pipeline;
  uint32_t tile_idx = 0;

  // Returns the block of the current tile. Precondition: its first stage is full.
  __device__ __forceinline__ OutBlock block() const { return ring.get(tile_idx); }

  // Returns the first element of the current tile's slab of the output. Precondition: as block().
  template <class Element>
  __device__ __forceinline__ Element* out() const {
    return static_cast<Element*>(params.out) + ring.group_idx(tile_idx) * params.out_slab_stride;
  }

  // Returns whether all rows of this warp's store boxes are the group's. Precondition: the
  // warpgroup has a full-width part of the block.
  __device__ __forceinline__ static bool has_full_boxes(const OutBlock& block) {
    const auto first = static_cast<int32_t>(warp() * kStoreBoxRows);
    return ptx::uniform(static_cast<int>(is_full_box(first, block.num_rows))) != 0;
  }

  // Computed wherever it is needed: the mainloop has no registers to keep it in.
  __device__ __forceinline__ static ThreadPosition position() {
    return ThreadPosition(ptx::thread_idx());
  }

  // Index among the CTA's consumer warps, and of the warpgroup. Neither is made uniform, which
  // takes time; position() makes its warpgroup uniform.
  __device__ __forceinline__ static uint32_t warp() { return ptx::thread_idx() / 32; }
  __device__ __forceinline__ static uint32_t warpgroup() { return ptx::thread_idx() / 128; }

  // Returns the index of the scale of the block's first row in Scales::sfa. TMA loads begin at a
  // multiple of kSfaStep rows.
  __device__ __forceinline__ int first_sfa(const OutBlock& block) const {
    return params.tma_sfa ? block.row_begin & (kSfaStep - 1) : 0;  // % would ask for the sign
  }

  // Returns how many scale blocks the last k-block of a tile has.
  __device__ __forceinline__ int scale_blocks_of_last() const {
    constexpr int kPerKBlock = kConfig.scale_blocks_per_k_block();
    if (kPerKBlock == 1) return 1;
    return params.num_scale_blocks - (params.num_k_blocks - 1) * kPerKBlock;
  }

  // Passes through a tile of which this warpgroup has no part.
  __device__ __forceinline__ void skip_tile() {
    for (int i = 0; i < params.num_k_blocks; ++i) {
      pipeline.wait_full();
      pipeline.signal_empty();
      pipeline.advance();
    }
    finish_tile();
  }

  // Releases a tile for which this warpgroup fills no store boxes, and goes on to the next.
  __device__ __forceinline__ void finish_tile() {
    if constexpr (kConfig.has_scheduler_warp()) {
      wait_taken();
      ring.release(warpgroup());
    }
    ++tile_idx;
  }

  // Waits until the tile before is taken, and its store boxes are free.
  __device__ __forceinline__ void wait_taken() const { ring.wait_taken(warpgroup(), tile_idx); }
};

}  // namespace ggfp8::sm90
