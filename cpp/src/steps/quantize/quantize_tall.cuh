// The kernel for blocks of 128 rows. A CTA has one block, which stays in registers from the search
// for its largest magnitude to its quantisation: x is read once.
#pragma once

#include <cstdint>

#include "steps/quantize/quantize_block.cuh"
#include "steps/quantize/quantize_config.h"
#include "steps/quantize/quantize_params.h"

namespace ggfp8::steps {

// The largest value of the CTA. Magnitudes compare as their bits do.
__device__ __forceinline__ float largest_of_cta(float value) {
  __shared__ uint32_t of_warps[kTallThreads / 32];
  const uint32_t of_warp = __reduce_max_sync(0xFFFFFFFFu, __float_as_uint(value));
  __syncthreads();  // the values of the block before have been read
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = of_warp;
  __syncthreads();
  uint32_t largest = 0;
#pragma unroll
  for (int warp = 0; warp < kTallThreads / 32; ++warp) largest = max(largest, of_warps[warp]);
  return __uint_as_float(largest);
}

template <class Source, Dtype kOut>
__device__ __forceinline__ void quantize_tall_block(const QuantizeParams& params, int64_t matrix,
                                                    int64_t row_block, int64_t k_block) {
  const QuantizeProblem& p = params.problem;
  const int lanes = params.lanes_per_block;
  const int lane = static_cast<int>(threadIdx.x) & (lanes - 1);
  const int rows_per_pass = kTallThreads / lanes;
  const int64_t col = k_block * p.block_k + lane * kChunkSize;
  const int length = chunk_length(col, min_of((k_block + 1) * p.block_k, p.k));
  const int64_t row_begin = row_block * kTallBlockRows + static_cast<int>(threadIdx.x) / lanes;
  const int64_t row_end = min_of((row_block + 1) * kTallBlockRows, p.rows);

  Source chunks[kTallChunks];
  float amax = 0.0f;
#pragma unroll
  for (int i = 0; i < kTallChunks; ++i) {
    const int64_t row = row_begin + i * rows_per_pass;
    chunks[i].load(params, matrix, row, col, row < row_end ? length : 0);
  }
#pragma unroll
  for (int i = 0; i < kTallChunks; ++i) {
    float values[kChunkSize];
    chunks[i].values(params, values);
    amax = fmaxf(amax, largest_magnitude(values));
  }
  const BlockDivisor block = make_divisor<kOut>(largest_of_cta(amax), p.power_of_two);
  if (threadIdx.x == 0) {
    p.scale[matrix * p.scale_batch_stride + row_block * p.scale_row_stride +
            k_block * p.scale_k_stride] = block.scale;
  }
#pragma unroll
  for (int i = 0; i < kTallChunks; ++i) {
    const int64_t row = row_begin + i * rows_per_pass;
    if (row >= row_end) break;
    float values[kChunkSize];
    chunks[i].values(params, values);
    uint8_t* out = p.out + matrix * p.out_batch_stride + row * p.out_row_stride + col;
    store_quantized<kOut>(values, block, out, length, params.out_aligned);
  }
}

template <class Source, Dtype kOut>
__global__ void __launch_bounds__(kTallThreads, 2)
    quantize_tall(const __grid_constant__ QuantizeParams params) {
  const QuantizeProblem& p = params.problem;
  const int64_t num_row_blocks = ceil_div<int64_t>(p.rows, kTallBlockRows);
  for (int64_t matrix = blockIdx.z; matrix < p.batch_size; matrix += gridDim.z) {
    for (int64_t row_block = blockIdx.y; row_block < num_row_blocks; row_block += gridDim.y) {
      quantize_tall_block<Source, kOut>(params, matrix, row_block, blockIdx.x);
    }
  }
}

}  // namespace ggfp8::steps
