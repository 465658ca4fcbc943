// The kernel for blocks of one row. A CTA has kRowsPerThread rows and some neighbouring k-blocks of
// them; a power of two of lanes shares a block, each with one chunk of it in every row.
//
//     CTA (r, t, b): rows 4 * r to 4 * r + 3 of matrix b, k-blocks of tile t
//     thread       | block 0: lanes 0 to 15 | block 1: lanes 0 to 15 | ...
//     row 0        | 16 chunks of 8         | 16 chunks of 8         | loads of the four rows
//     row 1, 2, 3  | likewise               |                        | are under way together
//
// Rows are the fastest axis of the grid: CTAs that run at the same time share columns, so a row
// that is gathered several times is still in the L2 cache.
#pragma once

#include <cstdint>

#include "steps/quantize/quantize_block.cuh"
#include "steps/quantize/quantize_config.h"
#include "steps/quantize/quantize_params.h"

namespace ggfp8::steps {

// The rows of x for this CTA's rows of out; -1 where the row is to be left alone.
struct SourceRows {
  int64_t rows[kRowsPerThread];
};

__device__ __forceinline__ SourceRows find_source_rows(const QuantizeProblem& p, int64_t first) {
  const RowRange range = row_range(p.m_indptr, p.num_groups, p.rows);
  SourceRows source;
#pragma unroll
  for (int i = 0; i < kRowsPerThread; ++i) {
    const int64_t row = first + i;
    const bool inside = row >= range.begin && row < range.end;
    source.rows[i] = inside ? source_row(p.row_index, p.index_type, p.x_rows, row) : -1;
  }
  return source;
}

// The largest value of the lanes that share a block. All lanes of the warp call.
__device__ __forceinline__ float largest_of_lanes(float value, int lanes) {
  value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 1));
  value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 2));
  if (lanes > 4) value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 4));
  if (lanes > 8) value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 8));
  return value;
}

template <class Source, Dtype kOut>
__device__ __forceinline__ void quantize_row_tile(const QuantizeParams& params, int64_t matrix,
                                                  int64_t first_row, const SourceRows& source,
                                                  int64_t tile) {
  const QuantizeProblem& p = params.problem;
  const int lanes = params.lanes_per_block;
  const int lane = static_cast<int>(threadIdx.x) & (lanes - 1);
  const int block_of_tile = static_cast<int>(threadIdx.x) / lanes;
  const int64_t k_block = tile * params.blocks_per_tile + block_of_tile;
  const int64_t col = k_block * p.block_k + lane * kChunkSize;
  const bool has_block = block_of_tile < params.blocks_per_tile && k_block < params.num_k_blocks;
  const int64_t block_end = min_of((k_block + 1) * p.block_k, p.k);
  const int length = has_block ? chunk_length(col, block_end) : 0;

  Source chunks[kRowsPerThread];
#pragma unroll
  for (int i = 0; i < kRowsPerThread; ++i) {
    if (source.rows[i] >= 0) {
      chunks[i].load(params, matrix, source.rows[i], col, length);
    } else {
      chunks[i].clear();
    }
  }
#pragma unroll
  for (int i = 0; i < kRowsPerThread; ++i) {
    float values[kChunkSize];
    chunks[i].values(params, values);
    const float amax = largest_of_lanes(largest_magnitude(values), lanes);
    if (source.rows[i] < 0) continue;
    const BlockDivisor block = make_divisor<kOut>(amax, p.power_of_two);
    const int64_t row = first_row + i;
    if (lane == 0 && has_block) {
      p.scale[matrix * p.scale_batch_stride + row * p.scale_row_stride +
              k_block * p.scale_k_stride] = block.scale;
    }
    uint8_t* out = p.out + matrix * p.out_batch_stride + row * p.out_row_stride + col;
    store_quantized<kOut>(values, block, out, length, params.out_aligned);
  }
}

template <class Source, Dtype kOut>
__global__ void __launch_bounds__(kMaxRowThreads, Source::kCtasPerSm)
    quantize_rows(const __grid_constant__ QuantizeParams params) {
  const QuantizeProblem& p = params.problem;
  const int64_t first_row = int64_t{blockIdx.x} * kRowsPerThread;
  const SourceRows source = find_source_rows(p, first_row);
  for (int64_t matrix = blockIdx.z; matrix < p.batch_size; matrix += gridDim.z) {
    for (int64_t tile = blockIdx.y; tile < params.num_tiles; tile += gridDim.y) {
      quantize_row_tile<Source, kOut>(params, matrix, first_row, source, tile);
    }
  }
}

}  // namespace ggfp8::steps
