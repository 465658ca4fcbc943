// The epilogue by stores of each thread, for any address and output type: rounds the accumulators
// and stores the rows of the group.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_consumer.cuh"
#include "device/out_store.cuh"
#include "ptx/out_convert.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// The place of a warp's accumulators in the output: 16 rows of its part.
struct WarpRows {
  int32_t first_row;  // of the output
  int32_t row_end;
  int32_t col_begin;
  int32_t col_end;  // of the output, or of a block of open width
  int lane;

  template <Config kConfig>
  __device__ __forceinline__ explicit WarpRows(const Consumer<kConfig>& consumer) {
    const OutBlock block = consumer.block();
    const ThreadPosition position = consumer.position();
    const auto part = WarpgroupPart::make<kConfig>(block, position.warpgroup);
    const int warp = ptx::uniform(position.warp);
    first_row = block.row_begin + part.row_begin + warp * 16;
    row_end = block.row_begin + block.num_rows;
    col_begin = block.col_begin + part.col_begin;
    col_end = consumer.params.n;
    if (kConfig.open_width) col_end = min(col_end, block.col_begin + block.num_cols);
    lane = position.lane;
  }
};

template <Dtype kDtype, Config kConfig, int kN>
__device__ __forceinline__ void store_directly_as(const BlockAccumulator<kN>& main_acc,
                                                  const Consumer<kConfig>& consumer) {
  const Params& params = consumer.params;
  const WarpRows rows(consumer);
  using Element = typename ptx::OutTraits<kDtype>::Element;
  const device::OutRows out = {consumer.template out<Element>(), params.out_row_stride,
                               rows.row_end, rows.col_end, params.out_aligned};
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    device::store_eight_rows<kDtype, kN / 8>(
        out, rows.first_row + half * 8, rows.col_begin,
        [&](int block) { return main_acc + block * 4 + half * 2; });
  }
}

// Stores a tile whose operands were not swapped.
template <Config kConfig, int kN>
__device__ __forceinline__ void store_directly(const BlockAccumulator<kN>& main_acc,
                                               const Consumer<kConfig>& consumer) {
  switch (consumer.params.out_dtype) {
    case Dtype::kBFloat16:
      store_directly_as<Dtype::kBFloat16, kConfig, kN>(main_acc, consumer);
      break;
    case Dtype::kFloat16:
      store_directly_as<Dtype::kFloat16, kConfig, kN>(main_acc, consumer);
      break;
    default: store_directly_as<Dtype::kFloat32, kConfig, kN>(main_acc, consumer);
  }
}

template <Dtype kDtype, Config kConfig, int kN>
__device__ __forceinline__ void store_swapped_as(const BlockAccumulator<kN>& accumulator,
                                                 const Consumer<kConfig>& consumer) {
  using Traits = ptx::OutTraits<kDtype>;
  using Element = typename Traits::Element;
  const Params& params = consumer.params;
  const ThreadPosition position = consumer.position();
  const OutBlock block = consumer.block();
  const int32_t row_end = block.row_begin + block.num_rows;
  Element* const slab = consumer.template out<Element>();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int32_t col = block.col_begin + position.warpgroup * 64 + position.m + half * 8;
    if (col >= params.n) continue;
    Element* out = slab + col;
#pragma unroll
    for (int j = 0; j < kN / 8; ++j) {
      const int32_t row = block.row_begin + j * 8 + position.n;
      const auto pair =
          Traits::pair(accumulator[j * 4 + half * 2], accumulator[j * 4 + half * 2 + 1]);
      if (row < row_end) out[row * params.out_row_stride] = pair.x;
      if (row + 1 < row_end) out[(row + 1) * params.out_row_stride] = pair.y;
    }
  }
}

// Stores a tile with swapped operands: a thread holds pairs of neighbouring rows.
template <Config kConfig, int kN>
__device__ __forceinline__ void store_swapped(const BlockAccumulator<kN>& accumulator,
                                              const Consumer<kConfig>& consumer) {
  switch (consumer.params.out_dtype) {
    case Dtype::kBFloat16:
      store_swapped_as<Dtype::kBFloat16, kConfig, kN>(accumulator, consumer);
      break;
    case Dtype::kFloat16:
      store_swapped_as<Dtype::kFloat16, kConfig, kN>(accumulator, consumer);
      break;
    default: store_swapped_as<Dtype::kFloat32, kConfig, kN>(accumulator, consumer);
  }
}

}  // namespace ggfp8::sm90
