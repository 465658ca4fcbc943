// Finds the largest magnitude of a chunk of a block, and computes the chunk's FP8 values once the
// block's scale is known.
#pragma once

#include <cstdint>

#include "ptx/fast_math.cuh"
#include "ptx/fp8_round.cuh"
#include "steps/chunk.cuh"
#include "steps/quantize/block_scale.h"
#include "steps/quantize/quantize_config.h"

namespace ggfp8::steps {

// Returns the largest magnitude; ignores NaNs.
template <int kSize>
__device__ __forceinline__ float largest_magnitude(const float (&values)[kSize]) {
  float largest = 0.0f;
#pragma unroll
  for (int i = 0; i < kSize; ++i) largest = fmaxf(largest, fabsf(values[i]));
  return largest;
}

// The scale of a block, and what its elements are divided by.
struct BlockDivisor {
  float scale;
  float divisor;     // of the elements: the scale, in a small block times kSmallFactor
  float reciprocal;  // of the divisor, rounded once
};

// 1 / x rounded once, for normal x with normal 1 / x: the hardware's approximation, corrected.
__device__ __forceinline__ float reciprocal_of(float x) {
  const float approx = ptx::reciprocal_approx(x);
  return fmaf(approx, fmaf(-x, approx, 1.0f), approx);
}

__device__ __forceinline__ bool is_in_range(float amax) {
  return amax >= kSmallAmax && amax <= kMaxFloat;
}

// Makes infinities finite, and the elements of a block of small elements larger.
template <int kSize>
__device__ __forceinline__ void bring_into_range(float (&values)[kSize], float amax) {
  if (is_in_range(amax)) return;
  const float factor = amax < kSmallAmax ? kSmallFactor : 1.0f;
#pragma unroll
  for (int i = 0; i < kSize; ++i) values[i] = bring_into_range(values[i], factor);
}

// Returns the divisor of a block with this largest magnitude, which may be infinite.
template <Dtype kOut>
__device__ __forceinline__ BlockDivisor make_divisor(float amax, bool power_of_two) {
  constexpr float kMax = kFp8Max<kOut>;
  BlockDivisor block;
  if (is_in_range(amax)) {
    const float quotient = divide(amax, kMax, 1.0f / kMax);
    block.scale = power_of_two ? next_power_of_two(quotient) : quotient;
    block.divisor = block.scale;
  } else {
    block.scale = block_scale(fminf(amax, kMaxFloat), kMax, power_of_two);
    block.divisor = block.scale * (amax < kSmallAmax ? kSmallFactor : 1.0f);
  }
  block.reciprocal = reciprocal_of(block.divisor);
  return block;
}

// The FP8 values of a chunk.
template <int kSize>
struct Fp8Chunk {
  uint32_t words[kSize / 4];

  // Stores the first `length`; `aligned` tells whether the address is a multiple of kSize.
  __device__ __forceinline__ void store(uint8_t* out, int length, bool aligned) const {
    if (aligned && length == kSize) {
      if constexpr (kSize == 16) {
        *reinterpret_cast<uint4*>(out) = make_uint4(words[0], words[1], words[2], words[3]);
      } else {
        *reinterpret_cast<uint2*>(out) = make_uint2(words[0], words[1]);
      }
      return;
    }
    if (length == 0) return;
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      if (i < length) out[i] = static_cast<uint8_t>(words[i / 4] >> (8 * (i % 4)));
    }
  }
};

// Divides and rounds the values, which are in range.
template <Dtype kOut, int kSize>
__device__ __forceinline__ Fp8Chunk<kSize> quantize_chunk(const float (&values)[kSize],
                                                          const BlockDivisor& block) {
  static_assert(kSize == 8 || kSize == 16);
  Fp8Chunk<kSize> result = {};
#pragma unroll
  for (int i = 0; i < kSize; i += 2) {
    const float low = divide(values[i], block.divisor, block.reciprocal);
    const float high = divide(values[i + 1], block.divisor, block.reciprocal);
    result.words[i / 4] |= ptx::round_to_fp8x2<kOut>(low, high) << (8 * (i % 4));
  }
  return result;
}

}  // namespace ggfp8::steps
