// Epilogue: rounds the accumulators to the output type and stores the rows of the group.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_mainloop.cuh"
#include "backends/sm90/sm90_params.h"
#include "core/tile_scheduler.cuh"
#include "ptx/out_convert.cuh"
#include "ptx/out_store.cuh"

namespace ggfp8::sm90 {

// Rows on the M side: a thread holds pairs of neighbouring columns.
template <Dtype kDtype, Config kConfig, int kN>
__device__ __forceinline__ void store_rows(const BlockAccumulator<kN>& accumulator,
                                           const ThreadPosition& position, int block_idx,
                                           const Tile& tile, const Params& params) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int32_t row = tile.row_begin + block_idx * kConfig.block_stride() + position.m + half * 8;
    ptx::store_row<kDtype, kN / 8>(params.out, row * params.out_row_stride, row < tile.row_end,
                                   tile.col_begin, params.n, params.out_aligned,
                                   [&](int block) { return accumulator + block * 4 + half * 2; });
  }
}

// Columns on the M side: a thread holds pairs of neighbouring rows.
template <Dtype kDtype, int kN>
__device__ __forceinline__ void store_columns(const BlockAccumulator<kN>& accumulator,
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
    for (int j = 0; j < kN / 8; ++j) {
      const int32_t row = tile.row_begin + j * 8 + position.n;
      const auto pair =
          Traits::pair(accumulator[j * 4 + half * 2], accumulator[j * 4 + half * 2 + 1]);
      if (row < tile.row_end) out[row * params.out_row_stride] = pair.x;
      if (row + 1 < tile.row_end) out[(row + 1) * params.out_row_stride] = pair.y;
    }
  }
}

template <Dtype kDtype, Config kConfig, int kN, int kNumBlocks>
__device__ __forceinline__ void store_tile_as(const BlockAccumulator<kN>* accumulator,
                                              const ThreadPosition& position, const Tile& tile,
                                              const Params& params) {
#pragma unroll
  for (int i = 0; i < kNumBlocks; ++i) {
    if constexpr (kConfig.swapped) {
      store_columns<kDtype, kN>(accumulator[i], position, tile, params);
    } else {
      store_rows<kDtype, kConfig, kN>(accumulator[i], position, i, tile, params);
    }
  }
}

template <Config kConfig, int kN, int kNumBlocks>
__device__ __forceinline__ void store_tile(const BlockAccumulator<kN>* accumulator,
                                           const ThreadPosition& position, const Tile& tile,
                                           const Params& params) {
  switch (params.out_dtype) {
    case Dtype::kBFloat16:
      store_tile_as<Dtype::kBFloat16, kConfig, kN, kNumBlocks>(accumulator, position, tile, params);
      break;
    case Dtype::kFloat16:
      store_tile_as<Dtype::kFloat16, kConfig, kN, kNumBlocks>(accumulator, position, tile, params);
      break;
    default:
      store_tile_as<Dtype::kFloat32, kConfig, kN, kNumBlocks>(accumulator, position, tile, params);
  }
}

}  // namespace ggfp8::sm90
