// Epilogue: rounds the accumulators to the output type and stores the rows of the group.
#pragma once

#include <cstdint>

#include "backends/mma/mma_mainloop.cuh"
#include "backends/mma/mma_tiles.cuh"
#include "device/out_store.cuh"

namespace ggfp8::mma {

template <Dtype kDtype, Config kConfig>
__device__ __forceinline__ void store_tile_as(
    const typename WarpTile<kConfig>::Accumulator& accumulator, const WarpTile<kConfig>& warp,
    const Tile& tile, const Params& params) {
  auto* out = static_cast<typename ptx::OutTraits<kDtype>::Element*>(params.out);
  const device::OutRows rows = {out + tile.group_idx * params.out_slab_stride,
                                params.out_row_stride, tile.row_end, params.n, params.out_aligned};
#pragma unroll
  for (int m = 0; m < WarpTile<kConfig>::kFragmentsM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      device::store_eight_rows<kDtype, WarpTile<kConfig>::kFragmentsN>(
          rows, tile.row_begin + warp.row + m * 16 + half * 8, tile.col_begin + warp.col,
          [&](int n) { return &accumulator[m][n][half * 2]; });
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
