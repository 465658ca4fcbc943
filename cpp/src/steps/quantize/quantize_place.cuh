// The place of a thread in a block of one row, which a power of two of lanes shares.
#pragma once

#include <cstdint>

#include "steps/chunk.cuh"
#include "steps/quantize/quantize_params.h"

namespace ggfp8::steps {

// The chunk of a thread in a k-block.
struct BlockPlace {
  int32_t k_block;
  int32_t col;
  int lane;        // among those of the block
  int length;      // elements of the thread's chunk
  bool has_block;  // the block exists
};

// A k_block of num_k_blocks or more does not exist.
template <int kSize>
__device__ __forceinline__ BlockPlace place_in_block(const QuantizeParams& params,
                                                     int32_t k_block) {
  BlockPlace place;
  place.lane = static_cast<int>(threadIdx.x) & ((1 << params.lanes_log2) - 1);
  place.has_block = k_block < params.num_k_blocks;
  place.k_block = place.has_block ? k_block : 0;  // keeps columns inside of 32 bits
  const int32_t block_k = params.problem.block_k;
  const int32_t left = static_cast<int32_t>(params.problem.k) - place.k_block * block_k;
  const int32_t col_of_block = place.lane * kSize;
  place.col = place.k_block * block_k + col_of_block;
  place.length = place.has_block ? chunk_length(col_of_block, min_of(left, block_k), kSize) : 0;
  return place;
}

// The largest value of the lanes that share a block. All lanes of the warp call.
__device__ __forceinline__ float largest_of_lanes(float value, int lanes_log2) {
  value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 1));
  if (lanes_log2 > 1) value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 2));
  if (lanes_log2 > 2) value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 4));
  if (lanes_log2 > 3) value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 8));
  return value;
}

}  // namespace ggfp8::steps
