// Epilogue: rounds the accumulators to the output type and stores the rows of the group.
#pragma once

#include <cstdint>

#include "backends/mma/mma_mainloop.cuh"
#include "ptx/out_convert.cuh"

namespace ggfp8::mma {

template <Dtype kDtype, Config kConfig>
__device__ __forceinline__ void store_tile_as(
    const typename WarpTile<kConfig>::Accumulator& accumulator, const WarpTile<kConfig>& warp,
    const Tile& tile, const Params& params) {
  using Element = typename ptx::OutTraits<kDtype>::Element;
  const int32_t first_row = tile.row_begin + warp.row + warp.lane / 4;
  const int32_t first_col = tile.col_begin + warp.col + warp.lane % 4 * 2;
#pragma unroll
  for (int m = 0; m < WarpTile<kConfig>::kFragmentsM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int32_t row = first_row + m * 16 + half * 8;
      if (row >= tile.row_end) continue;
      Element* out_row = static_cast<Element*>(params.out) + row * params.out_row_stride;
#pragma unroll
      for (int n = 0; n < WarpTile<kConfig>::kFragmentsN; ++n) {
        const int32_t col = first_col + n * 8;
        if (col >= params.n) continue;
        ptx::store_pair<kDtype>(out_row + col, accumulator[m][n][half * 2],
                                accumulator[m][n][half * 2 + 1], params.out_paired);
      }
    }
  }
}

template <Config kConfig>
__device__ __forceinline__ void store_tile(
    const typename WarpTile<kConfig>::Accumulator& accumulator, const WarpTile<kConfig>& warp,
    const Tile& tile, const Params& params) {
  switch (params.out_dtype) {
    case Dtype::kBFloat16:
      store_tile_as<Dtype::kBFloat16, kConfig>(accumulator, warp, tile, params);
      break;
    case Dtype::kFloat16:
      store_tile_as<Dtype::kFloat16, kConfig>(accumulator, warp, tile, params);
      break;
    default: store_tile_as<Dtype::kFloat32, kConfig>(accumulator, warp, tile, params);
  }
}

}  // namespace ggfp8::mma
