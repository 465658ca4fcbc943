// Epilogue: rounds the accumulators to the output type and stores the rows of the group.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "backends/mma/mma_mainloop.cuh"

namespace ggfp8::mma {

template <Dtype kDtype>
struct OutTraits;

template <>
struct OutTraits<Dtype::kBFloat16> {
  using Element = __nv_bfloat16;
  using Pair = __nv_bfloat162;
  __device__ static Pair pair(float x, float y) { return __floats2bfloat162_rn(x, y); }
};

template <>
struct OutTraits<Dtype::kFloat16> {
  using Element = __half;
  using Pair = __half2;
  __device__ static Pair pair(float x, float y) { return __floats2half2_rn(x, y); }
};

template <>
struct OutTraits<Dtype::kFloat32> {
  using Element = float;
  using Pair = float2;
  __device__ static Pair pair(float x, float y) { return make_float2(x, y); }
};

template <Dtype kDtype, Config kConfig>
__device__ __forceinline__ void store_tile_as(
    const typename WarpTile<kConfig>::Accumulator& accumulator, const WarpTile<kConfig>& warp,
    const Tile& tile, const Params& params) {
  using Traits = OutTraits<kDtype>;
  using Element = typename Traits::Element;
  using Pair = typename Traits::Pair;
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
        const Pair pair =
            Traits::pair(accumulator[m][n][half * 2], accumulator[m][n][half * 2 + 1]);
        if (params.out_paired) {
          *reinterpret_cast<Pair*>(out_row + col) = pair;
        } else {
          out_row[col] = pair.x;
          out_row[col + 1] = pair.y;
        }
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
