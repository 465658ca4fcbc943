// What the kernels of quantisation do with a chunk of a block: its largest magnitude, and its FP8
// values once the block's scale is known.
#pragma once

#include <cstdint>

#include "ptx/fp8_round.cuh"
#include "steps/chunk.cuh"
#include "steps/quantize/block_scale.h"

namespace ggfp8::steps {

// NaNs are ignored.
__device__ __forceinline__ float largest_magnitude(const float (&values)[kChunkSize]) {
  float largest = 0.0f;
#pragma unroll
  for (int i = 0; i < kChunkSize; ++i) largest = fmaxf(largest, fabsf(values[i]));
  return largest;
}

// The scale of a block, and how its elements are divided by it.
struct BlockDivisor {
  float scale;
  float factor;      // of the elements, before the division
  float divisor;     // scale * factor
  float reciprocal;  // of the divisor
  bool in_range;     // the elements need not be brought into range
};

// amax may be infinite.
template <Dtype kOut>
__device__ __forceinline__ BlockDivisor make_divisor(float amax, bool power_of_two) {
  BlockDivisor block;
  block.scale = block_scale(fminf(amax, kMaxFloat), kFp8Max<kOut>, power_of_two);
  block.in_range = amax >= kSmallAmax && amax <= kMaxFloat;
  block.factor = amax < kSmallAmax ? kSmallFactor : 1.0f;
  block.divisor = block.scale * block.factor;
  block.reciprocal = __frcp_rn(block.divisor);
  return block;
}

template <Dtype kOut>
__device__ __forceinline__ void store_quantized(float (&values)[kChunkSize],
                                                const BlockDivisor& block, uint8_t* out, int length,
                                                bool aligned) {
  if (!block.in_range) {
#pragma unroll
    for (int i = 0; i < kChunkSize; ++i) values[i] = bring_into_range(values[i], block.factor);
  }
  uint32_t words[2] = {0, 0};
#pragma unroll
  for (int i = 0; i < kChunkSize; i += 2) {
    const float low = divide(values[i], block.divisor, block.reciprocal);
    const float high = divide(values[i + 1], block.divisor, block.reciprocal);
    words[i / 4] |= ptx::round_to_fp8x2<kOut>(low, high) << (8 * (i % 4));
  }
  if (aligned && length == kChunkSize) {
    *reinterpret_cast<uint2*>(out) = make_uint2(words[0], words[1]);
    return;
  }
#pragma unroll
  for (int i = 0; i < kChunkSize; ++i) {
    if (i < length) out[i] = static_cast<uint8_t>(words[i / 4] >> (8 * (i % 4)));
  }
}

}  // namespace ggfp8::steps
