// The epilogue by TMA store: rounds the accumulators into store boxes in shared memory. The
// scheduler warp starts TMA stores of full boxes, which go on during the next tile; the other rows
// are stored from the boxes by their own warp.
//
// A box has 16 rows of 64 columns. A row is 128 bytes, eight pieces of 16; piece p of row r lies at
// place p ^ r % 8 of the row (the 128-byte swizzle), so that the same piece of neighbouring rows
// lies in different banks.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_consumer.cuh"
#include "backends/sm90/sm90_epilogue.cuh"
#include "ptx/out_convert.cuh"
#include "ptx/smem_load.cuh"
#include "ptx/stmatrix.cuh"
#include "ptx/thread_idx.cuh"

namespace ggfp8::sm90 {

// Returns the address of a piece of a row in the boxes of a warp. Pieces are counted across boxes.
__device__ __forceinline__ uint32_t piece_address(uint32_t warp_boxes, uint32_t row,
                                                  uint32_t piece_idx) {
  return warp_boxes + piece_idx / 8 * kStoreBoxBytes + row * 128 + (piece_idx % 8 ^ row % 8) * 16;
}

// Rounds a warp's 16 rows into its boxes. value(i) is the value of the thread's accumulator i after
// promotion.
template <Dtype kDtype, int kN, class Value>
__device__ __forceinline__ void round_into_boxes(const Value& value, uint32_t warp_boxes,
                                                 uint32_t lane) {
  using Traits = ptx::OutTraits<kDtype>;
  // stmatrix stores four matrices: 0 and 1 are rows 0 to 7 and 8 to 15 of a piece, 2 and 3 the same
  // rows of the next piece.
  const uint32_t first = piece_address(warp_boxes, lane % 16, lane / 16);
#pragma unroll
  for (int j = 0; j < kN / 8; j += 2) {
    uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int pair = j * 4 + i * 2;
      const auto rounded = Traits::pair(value(pair), value(pair + 1));
      words[i] = reinterpret_cast<const uint32_t&>(rounded);
    }
    // Piece p + j, for the lane's p of 0 or 1 and even j, lies at place p ^ j ^ row % 8.
    ptx::stmatrix_x4((first ^ j % 8 * 16) + j / 8 * kStoreBoxBytes, words);
    __syncwarp();  // or the compiler puts all stores after all values
  }
}

// Stores a warp's rows from its boxes, 16 bytes per lane: for boxes with rows of the next group, or
// with fewer columns than a box has.
template <Config kConfig, int kN>
__device__ __forceinline__ void store_from_boxes(const Consumer<kConfig>& consumer,
                                                 uint32_t warp_boxes) {
  const Params& params = consumer.params;
  const WarpRows rows(consumer);
  auto* const slab = consumer.template out<uint16_t>();
  constexpr uint32_t kPiecesOfRow = kN / 8;
#pragma unroll 1
  for (uint32_t i = rows.lane; i < kStoreBoxRows * kPiecesOfRow; i += 32) {
    const uint32_t row_in_box = i / kPiecesOfRow;
    const int32_t row = rows.first_row + static_cast<int32_t>(row_in_box);
    const int32_t col = rows.col_begin + static_cast<int32_t>(i % kPiecesOfRow * 8);
    if (row < rows.row_end && col < params.n) {
      uint16_t* to = slab + row * params.out_row_stride + col;
      *reinterpret_cast<uint4*>(to) =
          ptx::load_shared_16_bytes(piece_address(warp_boxes, row_in_box, i % kPiecesOfRow));
    }
  }
}

// Rounds and stores a warp's rows through its boxes, and releases the tile. Precondition: the boxes
// are free.
template <Config kConfig, int kN, class Value>
__device__ __forceinline__ void store_through_boxes(const Value& value,
                                                    const Consumer<kConfig>& consumer,
                                                    bool has_full_boxes) {
  const uint32_t thread = ptx::thread_idx();
  const uint32_t boxes = consumer.ring.store_boxes(thread / 32);
  const bool is_stored_by_tma = kN % 64 == 0 && has_full_boxes;
  if (consumer.params.out_dtype == Dtype::kBFloat16) {
    round_into_boxes<Dtype::kBFloat16, kN>(value, boxes, thread % 32);
  } else {
    round_into_boxes<Dtype::kFloat16, kN>(value, boxes, thread % 32);
  }
  if (!is_stored_by_tma) {
    __syncwarp();
    store_from_boxes<kConfig, kN>(consumer, boxes);
  }
  consumer.ring.release(thread / 128);
}

}  // namespace ggfp8::sm90
