// Epilogue: rounds the accumulators to the output type and stores the rows of the group.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_mainloop.cuh"
#include "backends/sm90/sm90_params.h"
#include "core/tile_scheduler.cuh"
#include "ptx/out_convert.cuh"

namespace ggfp8::sm90 {

// Rows on the M side: a thread holds pairs of neighbouring columns.
template <Dtype kDtype, Config kConfig>
__device__ __forceinline__ void store_rows(const BlockAccumulator<kConfig>& accumulator,
                                           const ThreadPosition& position, int block_idx,
                                           const Tile& tile, const Params& params) {
  using Element = typename ptx::OutTraits<kDtype>::Element;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int32_t row = tile.row_begin + block_idx * 128 + position.m + half * 8;
    if (row >= tile.row_end) continue;
    Element* out_row = static_cast<Element*>(params.out) + row * params.out_row_stride;
#pragma unroll
    for (int j = 0; j < kConfig.num_accumulators() / 4; ++j) {
      const int32_t col = tile.col_begin + j * 8 + position.n;
      if (col >= params.n) continue;
      ptx::store_pair<kDtype>(out_row + col, accumulator[j * 4 + half * 2],
                              accumulator[j * 4 + half * 2 + 1], params.out_paired);
    }
  }
}

// Columns on the M side: a thread holds pairs of neighbouring rows.
template <Dtype kDtype, Config kConfig>
__device__ __forceinline__ void store_columns(const BlockAccumulator<kConfig>& accumulator,
                                              const ThreadPosition& position, const Tile& tile,
                                              const Params& params) {
  using Traits = ptx::OutTraits<kDtype>;
  using Element = typename Traits::Element;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int32_t col = tile.col_begin + position.m + half * 8;
    if (col >= params.n) continue;
    Element* out = static_cast<Element*>(params.out) + col;
#pragma unroll
    for (int j = 0; j < kConfig.num_accumulators() / 4; ++j) {
      const int32_t row = tile.row_begin + j * 8 + position.n;
      const auto pair =
          Traits::pair(accumulator[j * 4 + half * 2], accumulator[j * 4 + half * 2 + 1]);
      if (row < tile.row_end) out[row * params.out_row_stride] = pair.x;
      if (row + 1 < tile.row_end) out[(row + 1) * params.out_row_stride] = pair.y;
    }
  }
}

template <Dtype kDtype, Config kConfig>
__device__ __forceinline__ void store_tile_as(const Accumulator<kConfig>& accumulator,
                                              const ThreadPosition& position, const Tile& tile,
                                              const Params& params) {
  if constexpr (kConfig.swapped) {
    store_columns<kDtype, kConfig>(accumulator[0], position, tile, params);
  } else {
#pragma unroll
    for (int i = 0; i < kConfig.num_blocks(); ++i) {
      store_rows<kDtype, kConfig>(accumulator[i], position, i, tile, params);
    }
  }
}

template <Config kConfig>
__device__ __forceinline__ void store_tile(const Accumulator<kConfig>& accumulator,
                                           const ThreadPosition& position, const Tile& tile,
                                           const Params& params) {
  switch (params.out_dtype) {
    case Dtype::kBFloat16:
      store_tile_as<Dtype::kBFloat16, kConfig>(accumulator, position, tile, params);
      break;
    case Dtype::kFloat16:
      store_tile_as<Dtype::kFloat16, kConfig>(accumulator, position, tile, params);
      break;
    default: store_tile_as<Dtype::kFloat32, kConfig>(accumulator, position, tile, params);
  }
}

}  // namespace ggfp8::sm90
