// The kernel for blocks of one row. A CTA has kRowsPerThread rows, in a small grid one row, and
// some neighbouring k-blocks of them; a power of two of lanes shares a block, each with one chunk
// of it in every row.
//
//     CTA (r, t, b): rows 2 * r and 2 * r + 1 of matrix b, k-blocks of tile t
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
#include "steps/quantize/quantize_source.cuh"

namespace ggfp8::steps {

// The rows of x for this CTA's rows of out; -1 where the row is to be left alone.
struct SourceRows {
  int32_t rows[kRowsPerThread];
};

// Reads the indices of rows first to first + kRowsPerThread - 1, all of them before it uses
// the first.
template <class Index>
__device__ __forceinline__ void read_source_rows(SourceRows& source, const QuantizeProblem& p,
                                                 int32_t first) {
  const auto* row_index = static_cast<const Index*>(p.row_index);
  const auto last = static_cast<int32_t>(p.rows) - 1;
  const auto x_rows = static_cast<int32_t>(p.x_rows);
  Index indices[kRowsPerThread];
#pragma unroll
  for (int i = 0; i < kRowsPerThread; ++i) indices[i] = row_index[min_of(first + i, last)];
#pragma unroll
  for (int i = 0; i < kRowsPerThread; ++i) {
    const bool is_row = indices[i] >= 0 && indices[i] < x_rows;
    source.rows[i] = is_row ? static_cast<int32_t>(indices[i]) : -1;
  }
}

__device__ __forceinline__ SourceRows find_source_rows(const QuantizeProblem& p, int32_t first,
                                                       int32_t num_rows) {
  const RowRange range = row_range(p.m_indptr, p.num_groups, p.rows);
  const auto begin = static_cast<int32_t>(range.begin);
  const auto end = static_cast<int32_t>(range.end);
  SourceRows source;
  if (p.index_type == IndexType::kNone) {
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) source.rows[i] = first + i;
  } else if (p.index_type == IndexType::kInt32) {
    read_source_rows<int32_t>(source, p, first);
  } else {
    read_source_rows<int64_t>(source, p, first);
  }
#pragma unroll
  for (int i = 0; i < kRowsPerThread; ++i) {
    if (i >= num_rows || first + i < begin || first + i >= end) source.rows[i] = -1;
  }
  return source;
}

// The largest value of the lanes that share a block. All lanes of the warp call.
__device__ __forceinline__ float largest_of_lanes(float value, int lanes_log2) {
  value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 1));
  if (lanes_log2 > 1) value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 2));
  if (lanes_log2 > 2) value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 4));
  if (lanes_log2 > 3) value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 8));
  return value;
}

// A thread's place in a tile of k-blocks.
struct TilePlace {
  int32_t k_block;
  int32_t col;
  int lane;        // among those of the block
  int length;      // elements of the thread's chunk
  bool has_block;  // the block exists
};

template <int kSize>
__device__ __forceinline__ TilePlace find_place(const QuantizeParams& params, int32_t tile) {
  const auto thread = static_cast<int32_t>(threadIdx.x);
  const int32_t block_of_tile = thread >> params.lanes_log2;
  TilePlace place;
  place.lane = thread & ((1 << params.lanes_log2) - 1);
  place.k_block = tile * params.blocks_per_tile + block_of_tile;
  place.has_block = block_of_tile < params.blocks_per_tile && place.k_block < params.num_k_blocks;
  if (!place.has_block) place.k_block = 0;  // keeps columns inside of 32 bits
  const int32_t block_k = params.problem.block_k;
  const int32_t left = static_cast<int32_t>(params.problem.k) - place.k_block * block_k;
  const int32_t col_of_block = place.lane * kSize;
  place.col = place.k_block * block_k + col_of_block;
  place.length = place.has_block ? chunk_length(col_of_block, min_of(left, block_k), kSize) : 0;
  return place;
}

static_assert(kRowsPerThread <= 1 << lanes_log2(32));

// The rows of out for a row of x, as the lanes of a warp hold them: lane j has that of position
// `first` + j, or -1 for none.
__device__ __forceinline__ int32_t load_target(const QuantizeProblem& p, int32_t row,
                                               int32_t first) {
  const int32_t j = first + static_cast<int32_t>(threadIdx.x % 32);
  if (j >= p.top_k) return -1;
  const int32_t target = __ldg(p.position + row * p.position_row_stride + j);
  return target < p.out_rows ? target : -1;
}

// Stores a row's chunk and scale to all its targets, of which target_of_lane has the first 32. The
// lanes of a block share the stores of its scale. All lanes of the warp call.
template <int kSize>
__device__ __forceinline__ void store_to_targets(const QuantizeParams& params, int32_t row,
                                                 int32_t target_of_lane, const TilePlace& place,
                                                 const Fp8Chunk<kSize>& result, float scale) {
  const QuantizeProblem& p = params.problem;
  const auto top_k = static_cast<int32_t>(p.top_k);
  const int32_t num_lanes = 1 << params.lanes_log2;
  uint8_t* out = p.out + place.col;
  float* scales = p.scale + place.k_block * p.scale_k_stride;
  for (int32_t first = 0; first < top_k; first += 32) {
    if (first > 0) target_of_lane = load_target(p, row, first);
    const int32_t count = min_of(top_k - first, 32);
#pragma unroll 4
    for (int32_t j = 0; j < count; ++j) {
      const int32_t target = __shfl_sync(0xFFFFFFFFu, target_of_lane, j);
      if (target < 0) continue;
      result.store(out + target * p.out_row_stride, place.length, params.out_aligned);
    }
    for (int32_t j = 0; j < count; j += num_lanes) {
      const int32_t target = __shfl_sync(0xFFFFFFFFu, target_of_lane, j + place.lane);
      if (target >= 0 && place.has_block) scales[target * p.scale_row_stride] = scale;
    }
  }
}

// Quantises a tile of the CTA's rows. All threads of the CTA leave the same rows alone. Without
// positions lane i of a
// block writes the scale of row i.
template <class Source, Dtype kOut>
__device__ __forceinline__ void quantize_row_tile(const QuantizeParams& params, int32_t matrix,
                                                  int32_t first_row, const SourceRows& source,
                                                  int32_t tile) {
  const QuantizeProblem& p = params.problem;
  const bool scatters = Source::kScatters && p.position != nullptr;
  const TilePlace place = find_place<Source::kSize>(params, tile);
  int32_t targets[kRowsPerThread] = {};
  if (scatters) {
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      if (source.rows[i] >= 0) targets[i] = load_target(p, first_row + i, 0);
    }
  }
  Source chunks[kRowsPerThread];
  load_rows(chunks, params, matrix, place.col, place.length, [&](int i) { return source.rows[i]; });

  uint8_t* out = p.out + matrix * p.out_batch_stride + place.col;
  float scale = 0.0f;
  bool writes_scale = false;
#pragma unroll
  for (int i = 0; i < kRowsPerThread; ++i) {
    if (source.rows[i] < 0) continue;
    float values[Source::kSize];
    chunks[i].values(params, values);
    const float amax = largest_of_lanes(largest_magnitude(values), params.lanes_log2);
    const BlockDivisor block = make_divisor<kOut>(amax, p.power_of_two);
    bring_into_range(values, amax);
    const auto result = quantize_chunk<kOut>(values, block);
    if (scatters) {
      store_to_targets(params, first_row + i, targets[i], place, result, block.scale);
      continue;
    }
    result.store(out + int64_t{first_row + i} * p.out_row_stride, place.length, params.out_aligned);
    scale = place.lane == i ? block.scale : scale;
    writes_scale = writes_scale || place.lane == i;
  }
  if (writes_scale && place.has_block) {
    p.scale[matrix * p.scale_batch_stride + place.k_block * p.scale_k_stride +
            int64_t{first_row + place.lane} * p.scale_row_stride] = scale;
  }
}

template <class Source, Dtype kOut>
__global__ void __launch_bounds__(Source::kMaxThreads,
                                  Source::kWarpsPerSm * 32 / Source::kMaxThreads)
    quantize_rows(const __grid_constant__ QuantizeParams params) {
  ptx::wait_for_kernels_before();
  const QuantizeProblem& p = params.problem;
  const bool tiles_first = Source::kHasTilesFirst && params.tiles_first;
  const unsigned row_cta = tiles_first ? blockIdx.y : blockIdx.x;
  const unsigned first_tile = tiles_first ? blockIdx.x : blockIdx.y;
  const unsigned tile_step = tiles_first ? gridDim.x : gridDim.y;
  const int32_t first_row = static_cast<int32_t>(row_cta) * params.rows_per_cta;
  const auto batch_size = static_cast<int32_t>(p.batch_size);
  const SourceRows source = find_source_rows(p, first_row, params.rows_per_cta);
  for (int32_t matrix = blockIdx.z; matrix < batch_size; matrix += gridDim.z) {
    for (auto tile = static_cast<int32_t>(first_tile); tile < params.num_tiles;
         tile += static_cast<int32_t>(tile_step)) {
      quantize_row_tile<Source, kOut>(params, matrix, first_row, source, tile);
    }
  }
}

}  // namespace ggfp8::steps
