// Epilogue: rounds the accumulators to the output type and stores the rows of the group.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_mainloop.cuh"
#include "ptx/out_convert.cuh"
#include "ptx/out_store.cuh"
#include "ptx/smem_load.cuh"
#include "ptx/stmatrix.cuh"
#include "ptx/thread_idx.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// Where the accumulators of a warp go: 16 rows of the tile at hand.
struct WarpRows {
  int32_t first_row;  // of the output
  int32_t row_end;
  int32_t col_begin;
  int lane;

  template <Config kConfig>
  __device__ __forceinline__ explicit WarpRows(const Consumer<kConfig>& consumer) {
    const OutTile tile = consumer.tile();
    const ThreadPosition position = consumer.position();
    const auto part = RowsPart::make<kConfig>(tile, position.warpgroup);
    const int warp = ptx::uniform(position.warp);
    first_row = tile.row_begin + part.row_begin + warp * 16;
    row_end = tile.row_begin + tile.num_rows;
    col_begin = tile.col_begin + part.col_begin;
    lane = position.lane;
  }
};

// A warp's part of shared memory for rows on their way out: boxes of 64 columns in the 128-byte
// swizzle, so that pieces of neighbouring rows lie in different banks. Where piece `piece_idx`, of
// eight columns, of a row is.
__device__ __forceinline__ uint32_t out_piece(uint32_t warp_boxes, uint32_t row,
                                              uint32_t piece_idx) {
  return warp_boxes + piece_idx / 8 * kOutBoxBytes + row * 128 + (piece_idx % 8 ^ row % 8) * 16;
}

// Rounds a warp's 16 rows into its boxes; value(i) is what the thread's accumulator i comes to.
template <Dtype kDtype, int kN, class Value>
__device__ __forceinline__ void fill_boxes(const Value& value, uint32_t warp_boxes, uint32_t lane) {
  using Traits = ptx::OutTraits<kDtype>;
  // Matrices 0 and 1 are rows 0 to 7 and 8 to 15 of eight columns, 2 and 3 those of the next eight.
  const uint32_t first = out_piece(warp_boxes, lane % 16, lane / 16);
#pragma unroll
  for (int j = 0; j < kN / 8; j += 2) {
    uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int pair = j * 4 + i * 2;
      const auto rounded = Traits::pair(value(pair), value(pair + 1));
      words[i] = reinterpret_cast<const uint32_t&>(rounded);
    }
    // The piece j further, an even number: its lower bits are the swizzle's alone.
    ptx::stmatrix_x4((first ^ j % 8 * 16) + j / 8 * kOutBoxBytes, words);
    __syncwarp();  // or the compiler puts all stores behind all values
  }
}

// A warp's rows, from its boxes: where fewer rows are the group's, or fewer columns than boxes
// have.
template <Config kConfig, int kN>
__device__ __forceinline__ void store_from_boxes(const Consumer<kConfig>& consumer,
                                                 uint32_t warp_boxes) {
  const Params& params = consumer.params;
  const WarpRows rows(consumer);
  constexpr uint32_t kPiecesOfRow = kN / 8;
#pragma unroll 1
  for (uint32_t i = rows.lane; i < kOutBoxRows * kPiecesOfRow; i += 32) {
    const uint32_t row_in_box = i / kPiecesOfRow;
    const int32_t row = rows.first_row + static_cast<int32_t>(row_in_box);
    const int32_t col = rows.col_begin + static_cast<int32_t>(i % kPiecesOfRow * 8);
    if (row < rows.row_end && col < params.n) {
      auto* to = static_cast<uint16_t*>(params.out) + row * params.out_row_stride + col;
      *reinterpret_cast<uint4*>(to) =
          ptx::load_shared_16_bytes(out_piece(warp_boxes, row_in_box, i % kPiecesOfRow));
    }
  }
}

// Rows on the M side: a thread holds pairs of neighbouring columns. Through shared memory, which is
// free: boxes of which all rows are the group's leave from there by bulk copies
// (sm90_out_boxes.cuh).
template <Config kConfig, int kN, class Value>
__device__ __forceinline__ void store_rows_in_boxes(const Value& value,
                                                    const Consumer<kConfig>& consumer,
                                                    bool is_whole) {
  const uint32_t thread = ptx::thread_idx();
  const uint32_t boxes = consumer.out_boxes.of(thread / 32);
  const bool leaves = kN % 64 == 0 && is_whole;
  if (consumer.params.out_dtype == Dtype::kBFloat16) {
    fill_boxes<Dtype::kBFloat16, kN>(value, boxes, thread % 32);
  } else {
    fill_boxes<Dtype::kFloat16, kN>(value, boxes, thread % 32);
  }
  if (!leaves) {
    __syncwarp();
    store_from_boxes<kConfig, kN>(consumer, boxes);
  }
  consumer.out_boxes.signal_filled(thread / 128);
}

template <Dtype kDtype, Config kConfig, int kN>
__device__ __forceinline__ void store_rows_as(const BlockAccumulator<kN>& main_acc,
                                              const Consumer<kConfig>& consumer) {
  const Params& params = consumer.params;
  const WarpRows rows(consumer);
  const ptx::OutRows out = {params.out, params.out_row_stride, rows.row_end, params.n,
                            params.out_aligned};
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    ptx::store_eight_rows<kDtype, kN / 8>(
        out, rows.first_row + half * 8, rows.col_begin,
        [&](int block) { return main_acc + block * 4 + half * 2; });
  }
}

// By stores of each thread, for any address and type.
template <Config kConfig, int kN>
__device__ __forceinline__ void store_rows_directly(const BlockAccumulator<kN>& main_acc,
                                                    const Consumer<kConfig>& consumer) {
  switch (consumer.params.out_dtype) {
    case Dtype::kBFloat16: store_rows_as<Dtype::kBFloat16, kConfig, kN>(main_acc, consumer); break;
    case Dtype::kFloat16: store_rows_as<Dtype::kFloat16, kConfig, kN>(main_acc, consumer); break;
    default: store_rows_as<Dtype::kFloat32, kConfig, kN>(main_acc, consumer);
  }
  consumer.pass_boxes();
}

template <Dtype kDtype, int kN>
__device__ __forceinline__ void store_columns_as(const BlockAccumulator<kN>& accumulator,
                                                 const ThreadPosition& position,
                                                 const OutTile& tile, const Params& params) {
  using Traits = ptx::OutTraits<kDtype>;
  using Element = typename Traits::Element;
  const int32_t row_end = tile.row_begin + tile.num_rows;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int32_t col = tile.col_begin + position.warpgroup * 64 + position.m + half * 8;
    if (col >= params.n) continue;
    Element* out = static_cast<Element*>(params.out) + col;
#pragma unroll
    for (int j = 0; j < kN / 8; ++j) {
      const int32_t row = tile.row_begin + j * 8 + position.n;
      const auto pair =
          Traits::pair(accumulator[j * 4 + half * 2], accumulator[j * 4 + half * 2 + 1]);
      if (row < row_end) out[row * params.out_row_stride] = pair.x;
      if (row + 1 < row_end) out[(row + 1) * params.out_row_stride] = pair.y;
    }
  }
}

// Columns on the M side: a thread holds pairs of neighbouring rows.
template <int kN>
__device__ __forceinline__ void store_columns(const BlockAccumulator<kN>& accumulator,
                                              const ThreadPosition& position, const OutTile& tile,
                                              const Params& params) {
  switch (params.out_dtype) {
    case Dtype::kBFloat16:
      store_columns_as<Dtype::kBFloat16, kN>(accumulator, position, tile, params);
      break;
    case Dtype::kFloat16:
      store_columns_as<Dtype::kFloat16, kN>(accumulator, position, tile, params);
      break;
    default: store_columns_as<Dtype::kFloat32, kN>(accumulator, position, tile, params);
  }
}

}  // namespace ggfp8::sm90
