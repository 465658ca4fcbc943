// The kernel of the weighted sum. A CTA has one token and a tile of columns; a thread has one chunk
// of columns, and adds the token's rows one after the other.
#pragma once

#include <cstdint>

#include "steps/chunk.cuh"
#include "steps/combine/combine_params.h"

namespace ggfp8::steps {

__device__ __forceinline__ float load_weight(const CombineProblem& p, int64_t idx) {
  if (p.weight_dtype == Dtype::kFloat32) return static_cast<const float*>(p.weight)[idx];
  if (p.weight_dtype == Dtype::kFloat16) {
    return __half2float(static_cast<const __half*>(p.weight)[idx]);
  }
  return __bfloat162float(static_cast<const __nv_bfloat16*>(p.weight)[idx]);
}

// The row of x of a token's choice j; -1: none.
__device__ __forceinline__ int64_t row_of_choice(const CombineProblem& p, int64_t token,
                                                 int64_t j) {
  if (j >= p.top_k) return -1;
  const int64_t row = p.position[token * p.position_row_stride + j];
  return row >= 0 && row < p.x_rows ? row : -1;
}

// Adds choices first_choice to first_choice + kRowsAtOnce - 1.
template <Dtype kIn>
__device__ __forceinline__ void add_rows(const CombineParams& params, int64_t token,
                                         int64_t first_choice, int64_t col, int length,
                                         float (&sums)[kChunkSize]) {
  const CombineProblem& p = params.problem;
  int64_t rows[kRowsAtOnce];
  float weights[kRowsAtOnce];
  Chunk<kIn> chunks[kRowsAtOnce];
#pragma unroll
  for (int i = 0; i < kRowsAtOnce; ++i) {
    const int64_t j = first_choice + i;
    rows[i] = row_of_choice(p, token, j);
    weights[i] = rows[i] < 0 ? 0.0f : load_weight(p, token * p.weight_row_stride + j);
  }
#pragma unroll
  for (int i = 0; i < kRowsAtOnce; ++i) {
    if (rows[i] < 0) continue;
    const auto* x = static_cast<const Element<kIn>*>(p.x) + rows[i] * p.x_row_stride + col;
    load_chunk(chunks[i], x, length, params.x_aligned);
  }
#pragma unroll
  for (int i = 0; i < kRowsAtOnce; ++i) {
    if (rows[i] < 0) continue;
    float values[kChunkSize];
    to_floats(chunks[i], values);
#pragma unroll
    for (int e = 0; e < kChunkSize; ++e) sums[e] = __fmaf_rn(weights[i], values[e], sums[e]);
  }
}

template <Dtype kOut>
__device__ __forceinline__ void store_sums(const CombineParams& params, int64_t offset, int length,
                                           const float (&sums)[kChunkSize]) {
  Chunk<kOut> chunk;
  from_floats(chunk, sums);
  store_chunk(chunk, static_cast<Element<kOut>*>(params.problem.out) + offset, length,
              params.out_aligned);
}

template <Dtype kIn>
__global__ void __launch_bounds__(kMaxCombineThreads)
    combine_rows(const __grid_constant__ CombineParams params) {
  const CombineProblem& p = params.problem;
  const int64_t token = blockIdx.x;
  for (int64_t tile = blockIdx.y; tile < params.num_tiles; tile += gridDim.y) {
    const int64_t col = (tile * blockDim.x + threadIdx.x) * kChunkSize;
    const int length = chunk_length(col, p.k);
    float sums[kChunkSize] = {};
    for (int64_t j = 0; j < p.top_k; j += kRowsAtOnce) {
      add_rows<kIn>(params, token, j, col, length, sums);
    }
    const int64_t offset = token * p.out_row_stride + col;
    if (p.out_dtype == Dtype::kBFloat16) {
      store_sums<Dtype::kBFloat16>(params, offset, length, sums);
    } else if (p.out_dtype == Dtype::kFloat16) {
      store_sums<Dtype::kFloat16>(params, offset, length, sums);
    } else {
      store_sums<Dtype::kFloat32>(params, offset, length, sums);
    }
  }
}

}  // namespace ggfp8::steps
