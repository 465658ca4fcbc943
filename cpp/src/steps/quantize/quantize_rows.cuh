// The kernel for blocks of one row. A CTA has up to kRows rows, in a small grid one row, and some
// neighbouring k-blocks of them; a power of two of lanes shares a block, each with one chunk of it
// in every row.
//
//     CTA (r, t, b): with two rows, 2 * r and 2 * r + 1 of matrix b, k-blocks of tile t
//     thread   | block 0: lanes 0 to 7 | block 1: lanes 0 to 7 | ...
//     row 0    | 8 chunks of 16        | 8 chunks of 16        | loads of all rows
//     row 1    | likewise              |                       | are under way together
//
// Rows or tiles are the fastest axis of the grid, as has_tiles_first() of quantize_launch.cpp
// decides. Where rows are, CTAs that run at the same time share columns, so a row that is gathered
// several times is still in the L2 cache.
#pragma once

#include <cstdint>

#include "ptx/griddepcontrol.cuh"
#include "steps/quantize/quantize_block.cuh"
#include "steps/quantize/quantize_config.h"
#include "steps/quantize/quantize_params.h"
#include "steps/quantize/quantize_place.cuh"
#include "steps/quantize/quantize_source.cuh"

namespace ggfp8::steps {

// The rows of x for this CTA's rows of out; -1 where the row is to be left alone.
template <int kRows>
struct SourceRows {
  int32_t rows[kRows];
};

// Reads the indices of rows first to first + kRows - 1, all of them before it uses the first.
template <class Index, int kRows>
__device__ __forceinline__ void read_source_rows(SourceRows<kRows>& source,
                                                 const QuantizeProblem& p, int32_t first) {
  const auto* row_index = static_cast<const Index*>(p.row_index);
  const auto last = static_cast<int32_t>(p.rows) - 1;
  const auto x_rows = static_cast<int32_t>(p.x_rows);
  Index indices[kRows];
#pragma unroll
  for (int i = 0; i < kRows; ++i) indices[i] = row_index[min_of(first + i, last)];
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const bool is_row = indices[i] >= 0 && indices[i] < x_rows;
    source.rows[i] = is_row ? static_cast<int32_t>(indices[i]) : -1;
  }
}

template <int kRows>
__device__ __forceinline__ SourceRows<kRows> find_source_rows(const QuantizeProblem& p,
                                                              int32_t first, int32_t num_rows) {
  const RowRange range = row_range(p.m_indptr, p.num_groups, p.rows);
  const auto begin = static_cast<int32_t>(range.begin);
  const auto end = static_cast<int32_t>(range.end);
  SourceRows<kRows> source;
  if (p.index_type == IndexType::kNone) {
#pragma unroll
    for (int i = 0; i < kRows; ++i) source.rows[i] = first + i;
  } else if (p.index_type == IndexType::kInt32) {
    read_source_rows<int32_t, kRows>(source, p, first);
  } else {
    read_source_rows<int64_t, kRows>(source, p, first);
  }
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    if (i >= num_rows || first + i < begin || first + i >= end) source.rows[i] = -1;
  }
  return source;
}

template <int kSize>
__device__ __forceinline__ BlockPlace find_place(const QuantizeParams& params, int32_t tile) {
  const int32_t block_of_tile = static_cast<int32_t>(threadIdx.x) >> params.lanes_log2;
  const bool in_tile = block_of_tile < params.blocks_per_tile;
  return place_in_block<kSize>(
      params, in_tile ? tile * params.blocks_per_tile + block_of_tile : params.num_k_blocks);
}

constexpr int kLeastLanes = 1 << lanes_log2(32);  // that share a block

// Quantises a tile of the CTA's rows. All threads of the CTA leave the same rows alone. The lanes
// of a block take turns at its rows, and each writes the scale of its row.
template <class Source, Dtype kOut, int kRows>
__device__ __forceinline__ void quantize_row_tile(const QuantizeParams& params, int32_t matrix,
                                                  int32_t first_row,
                                                  const SourceRows<kRows>& source, int32_t tile) {
  const QuantizeProblem& p = params.problem;
  const BlockPlace place = find_place<Source::kSize>(params, tile);
  Source chunks[kRows];
  load_rows(chunks, params, matrix, place.col, place.length, [&](int i) { return source.rows[i]; });

  uint8_t* out = p.out + matrix * p.out_batch_stride + place.col;
  float* scales = p.scale + matrix * p.scale_batch_stride + place.k_block * p.scale_k_stride;
  const int32_t last_lane = (1 << params.lanes_log2) - 1;
  float scale = 0.0f;
  bool has_scale = false;
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int32_t turn = kRows <= kLeastLanes ? i : i & last_lane;
    if (source.rows[i] >= 0) {
      float values[Source::kSize];
      chunks[i].values(params, values);
      const float amax = largest_of_lanes(largest_magnitude(values), params.lanes_log2);
      const BlockDivisor block = make_divisor<kOut>(amax, p.power_of_two);
      bring_into_range(values, amax);
      const auto result = quantize_chunk<kOut>(values, block);
      result.store(out + int64_t{first_row + i} * p.out_row_stride, place.length,
                   params.out_aligned);
      scale = place.lane == turn ? block.scale : scale;
      has_scale = has_scale || place.lane == turn;
    }
    if (i + 1 < kRows && (kRows <= kLeastLanes || turn != last_lane)) continue;
    const int64_t row = first_row + i - turn + place.lane;
    if (has_scale && place.has_block) scales[row * p.scale_row_stride] = scale;
    has_scale = false;
  }
}

// Warps of an SM for whose registers the kernel is compiled.
constexpr int row_warps_per_sm(Dtype x_dtype, int kRows) {
  if (x_dtype == Dtype::kFloat32) return kRows == 1 ? 24 : 16;
  return kRows == 1 ? 32 : 24;
}

template <class Source, Dtype kOut, int kRows>
__global__ void __launch_bounds__(kMaxRowThreads,
                                  row_warps_per_sm(Source::kInput, kRows) * 32 / kMaxRowThreads)
    quantize_rows(const __grid_constant__ QuantizeParams params) {
  ptx::wait_for_kernels_before();
  const QuantizeProblem& p = params.problem;
  const bool tiles_first = Source::kHasTilesFirst && params.tiles_first;
  const unsigned row_cta = tiles_first ? blockIdx.y : blockIdx.x;
  const unsigned first_tile = tiles_first ? blockIdx.x : blockIdx.y;
  const unsigned tile_step = tiles_first ? gridDim.x : gridDim.y;
  const int32_t first_row = static_cast<int32_t>(row_cta) * params.rows_per_cta;
  const auto batch_size = static_cast<int32_t>(p.batch_size);
  const auto source = find_source_rows<kRows>(p, first_row, params.rows_per_cta);
  for (int32_t matrix = blockIdx.z; matrix < batch_size; matrix += gridDim.z) {
    for (auto tile = static_cast<int32_t>(first_tile); tile < params.num_tiles;
         tile += static_cast<int32_t>(tile_step)) {
      quantize_row_tile<Source, kOut>(params, matrix, first_row, source, tile);
    }
  }
}

}  // namespace ggfp8::steps
