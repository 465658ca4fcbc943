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
  const ptx::OutRows rows = {params.out, params.out_row_stride, tile.row_end, params.n,
                             params.out_aligned};
  const int32_t first_row = tile.row_begin + block_idx * kConfig.block_stride() + position.m -
                            static_cast<int>(threadIdx.x) % 32 / 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    ptx::store_eight_rows<kDtype, kN / 8>(
        rows, first_row + half * 8, tile.col_begin,
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
