// The kernel of the weighted sum. A CTA has one token and a tile of columns; a thread has one chunk
// of columns, and adds the token's rows one after the other. Each lane of a warp reads one of the
// token's positions and weights, for all lanes.
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

// Choices of a token as the lanes of a warp hold them: lane j has choice 32 * n + j.
struct LaneChoice {
  int32_t row;  // of x; negative or past the end: none
  float weight;
};

__device__ __forceinline__ LaneChoice load_choice(const CombineProblem& p, int64_t token,
                                                  int32_t first) {
  const int32_t j = first + static_cast<int32_t>(threadIdx.x % 32);
  if (j >= p.top_k) return {-1, 0.0f};
  return {p.position[token * p.position_row_stride + j],
          load_weight(p, token * p.weight_row_stride + j)};
}

// Adds the rows of lanes first_lane to first_lane + kRows - 1, all requested before the first is
// looked at. All lanes of the warp call; length is 0 where a thread has no columns.
template <Dtype kIn, CombineShape kShape>
__device__ __forceinline__ void add_rows(const CombineParams& params, const LaneChoice& choice,
                                         int first_lane, int32_t col, int length,
                                         float (&sums)[kShape.columns]) {
  constexpr int kRows = kShape.rows_at_once;
  const CombineProblem& p = params.problem;
  int32_t rows[kRows];
  Chunk<kIn, kShape.columns> chunks[kRows];
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    rows[i] = __shfl_sync(0xFFFFFFFFu, choice.row, first_lane + i);
    if (length == 0 || rows[i] >= p.x_rows) rows[i] = -1;
  }
  const auto* x = static_cast<const Element<kIn>*>(p.x) + col;
  if (params.x_aligned && length == kShape.columns) {
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
    const float weight = __shfl_sync(0xFFFFFFFFu, choice.weight, first_lane + i);
    if (rows[i] < 0) continue;
    float values[kShape.columns];
    to_floats(chunks[i], values);
#pragma unroll
    for (int e = 0; e < kShape.columns; ++e) sums[e] = __fmaf_rn(weight, values[e], sums[e]);
  }
}

template <Dtype kOut, int kColumns>
__device__ __forceinline__ void store_sums(const CombineParams& params, int64_t offset, int length,
                                           const float (&sums)[kColumns]) {
  Chunk<kOut, kColumns> chunk;
  from_floats(chunk, sums);
  store_chunk(chunk, static_cast<Element<kOut>*>(params.problem.out) + offset, length,
              params.out_aligned);
}

template <Dtype kIn, CombineShape kShape>
__device__ __forceinline__ void combine_chunk(const CombineParams& params, int64_t token,
                                              int32_t chunk) {
  const CombineProblem& p = params.problem;
  const int32_t col = min_of(chunk, params.num_chunks) * kShape.columns;
  const int length = chunk_length(col, static_cast<int32_t>(p.k), kShape.columns);
  const auto top_k = static_cast<int32_t>(p.top_k);
  float sums[kShape.columns] = {};
  LaneChoice choice = {};
  for (int32_t j = 0; j < top_k; j += kShape.rows_at_once) {
    if (j % 32 == 0) choice = load_choice(p, token, j);
    add_rows<kIn, kShape>(params, choice, j % 32, col, length, sums);
  }
  if (length == 0) return;
  const int64_t offset = token * p.out_row_stride + col;
  if (p.out_dtype == Dtype::kBFloat16) {
    store_sums<Dtype::kBFloat16>(params, offset, length, sums);
  } else if (p.out_dtype == Dtype::kFloat16) {
    store_sums<Dtype::kFloat16>(params, offset, length, sums);
  } else {
    store_sums<Dtype::kFloat32>(params, offset, length, sums);
  }
}

// CTAs of an SM for whose registers the kernel is compiled: chunks of 8 rows of float32 take many.
constexpr int min_combine_ctas(Dtype x_dtype, bool small_grid) {
  return small_grid && x_dtype == Dtype::kFloat32 ? 4 : 6;
}

// The loop is the same for all lanes of a warp, because they share the token's choices.
template <Dtype kIn, bool kSmallGrid>
__global__ void __launch_bounds__(kMaxCombineThreads, min_combine_ctas(kIn, kSmallGrid))
    combine_rows(const __grid_constant__ CombineParams params) {
  constexpr CombineShape kShape = combine_shape(kSmallGrid);
  static_assert(32 % kShape.rows_at_once == 0);
  ptx::wait_for_kernels_before();
  const auto step = static_cast<int32_t>(gridDim.y * blockDim.x);
  for (auto first = static_cast<int32_t>(blockIdx.y * blockDim.x); first < params.num_chunks;
       first += step) {
    combine_chunk<kIn, kShape>(params, blockIdx.x, first + static_cast<int32_t>(threadIdx.x));
  }
}

}  // namespace ggfp8::steps
