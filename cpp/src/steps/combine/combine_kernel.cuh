// The kernel of the weighted sum. A CTA has one token and a tile of columns; a thread has one chunk
// of columns, and adds the token's rows one after the other.
#pragma once

#include <cstdint>

#include "ptx/griddepcontrol.cuh"
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

// Adds choices first_choice to first_choice + kRows - 1.
template <Dtype kIn, int kRows>
__device__ __forceinline__ void add_rows(const CombineParams& params, int64_t token,
                                         int64_t first_choice, int32_t col, int length,
                                         float (&sums)[kCombineChunk]) {
  const CombineProblem& p = params.problem;
  int64_t rows[kRows];  // of x; -1: none
  float weights[kRows];
  Chunk<kIn, kCombineChunk> chunks[kRows];
  // All positions and weights are requested before the first is looked at.
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int64_t j = min_of(first_choice + i, p.top_k - 1);
    rows[i] = p.position[token * p.position_row_stride + j];
    weights[i] = load_weight(p, token * p.weight_row_stride + j);
  }
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    if (first_choice + i >= p.top_k || rows[i] >= p.x_rows) rows[i] = -1;
  }
  const auto* x = static_cast<const Element<kIn>*>(p.x) + col;
  if (params.x_aligned && length == kCombineChunk) {
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      if (rows[i] >= 0) load_full(chunks[i], x + rows[i] * p.x_row_stride);
    }
  } else {
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      if (rows[i] >= 0) load_part(chunks[i], x + rows[i] * p.x_row_stride, length);
    }
  }
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    if (rows[i] < 0) continue;
    float values[kCombineChunk];
    to_floats(chunks[i], values);
#pragma unroll
    for (int e = 0; e < kCombineChunk; ++e) sums[e] = __fmaf_rn(weights[i], values[e], sums[e]);
  }
}

template <Dtype kOut>
__device__ __forceinline__ void store_sums(const CombineParams& params, int64_t offset, int length,
                                           const float (&sums)[kCombineChunk]) {
  Chunk<kOut, kCombineChunk> chunk;
  from_floats(chunk, sums);
  store_chunk(chunk, static_cast<Element<kOut>*>(params.problem.out) + offset, length,
              params.out_aligned);
}

template <Dtype kIn, int kRows>
__global__ void __launch_bounds__(kMaxCombineThreads, kRows == kRowsAtOnce ? 6 : 3)
    combine_rows(const __grid_constant__ CombineParams params) {
  ptx::wait_for_kernels_before();
  const CombineProblem& p = params.problem;
  const int64_t token = blockIdx.x;
  for (int32_t chunk = blockIdx.y * blockDim.x + threadIdx.x; chunk < params.num_chunks;
       chunk += gridDim.y * blockDim.x) {
    const int32_t col = chunk * kCombineChunk;
    const int length = chunk_length(col, static_cast<int32_t>(p.k), kCombineChunk);
    float sums[kCombineChunk] = {};
    for (int64_t j = 0; j < p.top_k; j += kRows) {
      add_rows<kIn, kRows>(params, token, j, col, length, sums);
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
