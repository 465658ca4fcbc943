// Epilogue by TMA store: rounds the accumulators into shared memory, from where full boxes leave by
// TMA store and the rest by stores of 16 bytes.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_consumer.cuh"
#include "backends/sm90/sm90_epilogue.cuh"
#include "ptx/out_convert.cuh"
#include "ptx/smem_load.cuh"
#include "ptx/stmatrix.cuh"
#include "ptx/thread_idx.cuh"

namespace ggfp8::sm90 {

// A warp's part of shared memory for rows on their way out: boxes of 64 columns in the 128-byte
// swizzle, so that pieces of neighbouring rows lie in different banks. Where piece `piece_idx`, of
// eight columns, of a row is.
__device__ __forceinline__ uint32_t out_piece(uint32_t warp_boxes, uint32_t row,
                                              uint32_t piece_idx) {
  return warp_boxes + piece_idx / 8 * kStoreBoxBytes + row * 128 + (piece_idx % 8 ^ row % 8) * 16;
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
    ptx::stmatrix_x4((first ^ j % 8 * 16) + j / 8 * kStoreBoxBytes, words);
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
  for (uint32_t i = rows.lane; i < kStoreBoxRows * kPiecesOfRow; i += 32) {
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
// (sm90_tile_ring.cuh).
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

}  // namespace ggfp8::sm90
