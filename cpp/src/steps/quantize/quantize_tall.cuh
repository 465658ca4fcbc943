// The kernel for blocks of 128 rows. A CTA has one block, which stays in registers from the search
// for its largest magnitude to its quantisation: x is read once.
#pragma once

#include <cstdint>

#include "ptx/griddepcontrol.cuh"
#include "steps/quantize/quantize_block.cuh"
#include "steps/quantize/quantize_config.h"
#include "steps/quantize/quantize_params.h"
#include "steps/quantize/quantize_source.cuh"

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
__device__ __forceinline__ void quantize_tall_block(const QuantizeParams& params, int32_t matrix,
                                                    int32_t row_block, int32_t k_block) {
  const QuantizeProblem& p = params.problem;
  const auto thread = static_cast<int32_t>(threadIdx.x);
  const int32_t lane = thread & ((1 << params.lanes_log2) - 1);
  const int32_t rows_per_pass = kTallThreads >> params.lanes_log2;
  const int32_t col_of_block = lane * kChunkSize;
  const int32_t col = k_block * p.block_k + col_of_block;
  const int32_t left = static_cast<int32_t>(p.k) - k_block * p.block_k;
  const int length = chunk_length(col_of_block, min_of(left, p.block_k), kChunkSize);
  const int32_t row_of_block = thread >> params.lanes_log2;
  const int32_t num_rows =
      min_of(static_cast<int32_t>(p.rows) - row_block * kTallBlockRows, kTallBlockRows);

  Source chunks[kTallChunks];
  const auto row_of = [&](int i) {
    const int32_t row = row_of_block + i * rows_per_pass;
    return row < num_rows ? row_block * kTallBlockRows + row : -1;
  };
  load_rows(chunks, params, matrix, col, length, row_of);
  float amax = 0.0f;
#pragma unroll
  for (int i = 0; i < kTallChunks; ++i) {
    if (row_of(i) < 0) continue;
    float values[Source::kSize];
    chunks[i].values(params, values);
    amax = fmaxf(amax, largest_magnitude(values));
  }
  amax = largest_of_cta(amax);
  const BlockDivisor block = make_divisor<kOut>(amax, p.power_of_two);
  if (threadIdx.x == 0) {
    p.scale[matrix * p.scale_batch_stride + row_block * p.scale_row_stride +
            k_block * p.scale_k_stride] = block.scale;
  }
#pragma unroll
  for (int i = 0; i < kTallChunks; ++i) {
    if (row_of(i) < 0) continue;
    float values[Source::kSize];
    chunks[i].values(params, values);
    bring_into_range(values, amax);
    uint8_t* out = p.out + matrix * p.out_batch_stride + row_of(i) * p.out_row_stride + col;
    quantize_chunk<kOut>(values, block).store(out, length, params.out_aligned);
  }
}

template <class Source, Dtype kOut>
__global__ void __launch_bounds__(kTallThreads, Source::kInput == Dtype::kFloat32 ? 1 : 2)
    quantize_tall(const __grid_constant__ QuantizeParams params) {
  ptx::wait_for_kernels_before();
  const QuantizeProblem& p = params.problem;
  const auto num_row_blocks = static_cast<int32_t>(ceil_div<int64_t>(p.rows, kTallBlockRows));
  const auto batch_size = static_cast<int32_t>(p.batch_size);
  for (int32_t matrix = blockIdx.z; matrix < batch_size; matrix += gridDim.z) {
    for (int32_t row_block = blockIdx.y; row_block < num_row_blocks; row_block += gridDim.y) {
      quantize_tall_block<Source, kOut>(params, matrix, row_block, blockIdx.x);
    }
  }
}

}  // namespace ggfp8::steps
