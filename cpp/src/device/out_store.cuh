// Stores of accumulators that lie across a warp: lane 4 * r + q has columns 2 * q and 2 * q + 1 of
// every block of eight columns, in row r of eight. The lanes exchange values by shuffles, so that
// each stores 16 neighbouring bytes, and neighbouring lanes 64 or 128 bytes of a row.
#pragma once

#include <cstdint>

#include "ptx/out_convert.cuh"

namespace ggfp8::device {

// A chunk: 16 neighbouring bytes of a row.
template <Dtype kDtype>
union OutChunk {
  using Element = typename ptx::OutTraits<kDtype>::Element;
  static constexpr int kNumElements = 16 / sizeof(Element);
  static constexpr int kNumPairs = kNumElements / 2;

  uint4 vector;
  uint32_t words[4];
  typename ptx::OutTraits<kDtype>::Pair pairs[kNumPairs];
  Element elements[kNumElements];

  __device__ __forceinline__ OutChunk() {}
};

// Swaps x of the lanes whose `bit` is set with y of the lanes one `bit` below.
__device__ __forceinline__ void exchange(uint32_t& x, uint32_t& y, int bit) {
  const bool upper = threadIdx.x & bit;
  const uint32_t received = __shfl_xor_sync(0xFFFFFFFFu, upper ? x : y, bit);
  if (upper) {
    x = received;
  } else {
    y = received;
  }
}

// Turns this lane's pairs of kNumPairs blocks into neighbouring columns. Returns the first of these
// columns, counted from the first column of the first block.
template <Dtype kDtype>
__device__ __forceinline__ int gather_columns(OutChunk<kDtype>& chunk) {
  const int q = static_cast<int>(threadIdx.x) % 4;
  uint32_t (&words)[4] = chunk.words;
  if constexpr (OutChunk<kDtype>::kNumPairs == 4) {
    exchange(words[0], words[1], 1);
    exchange(words[2], words[3], 1);
    exchange(words[0], words[2], 2);
    exchange(words[1], words[3], 2);
    return q * 8;
  } else {
    exchange(words[0], words[2], 1);
    exchange(words[1], words[3], 1);
    return q % 2 * 8 + q / 2 * 4;
  }
}

// The output of a group: rows before row_end and columns before num_cols may be written.
struct OutRows {
  void* out;
  int64_t row_stride;  // in elements
  int32_t row_end;
  int32_t num_cols;
  bool aligned;  // every row begins at a multiple of 16 bytes
};

// Stores the part of a chunk that may be written, in one store if that is the whole chunk and the
// address is aligned.
template <Dtype kDtype>
__device__ __forceinline__ void store_chunk(const OutRows& rows, int32_t row, int32_t col,
                                            const OutChunk<kDtype>& chunk) {
  using Chunk = OutChunk<kDtype>;
  if (row >= rows.row_end) return;
  auto* out = static_cast<typename Chunk::Element*>(rows.out) + row * rows.row_stride + col;
  if (rows.aligned && col + Chunk::kNumElements <= rows.num_cols) {
    *reinterpret_cast<uint4*>(out) = chunk.vector;
    return;
  }
#pragma unroll
  for (int i = 0; i < Chunk::kNumElements; ++i) {
    if (col + i < rows.num_cols) out[i] = chunk.elements[i];
  }
}

// Rounds and stores a lane's pair of values at an even column.
template <Dtype kDtype>
__device__ __forceinline__ void store_pair(const OutRows& rows, int32_t row, int32_t col,
                                           const float* values) {
  using Traits = ptx::OutTraits<kDtype>;
  if (row >= rows.row_end) return;
  auto* out = static_cast<typename Traits::Element*>(rows.out) + row * rows.row_stride + col;
  const typename Traits::Pair pair = Traits::pair(values[0], values[1]);
  if (rows.aligned && col + 2 <= rows.num_cols) {
    *reinterpret_cast<typename Traits::Pair*>(out) = pair;
  } else {
    if (col < rows.num_cols) out[0] = pair.x;
    if (col + 1 < rows.num_cols) out[1] = pair.y;
  }
}

// Stores eight rows pair by pair. Arguments as in store_eight_rows().
template <Dtype kDtype, int kNumBlocks, class PairOf>
__device__ __forceinline__ void store_pairs(const OutRows& rows, int32_t row, int32_t col,
                                            const PairOf& pair_of) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int block = 0; block < kNumBlocks; ++block) {
    store_pair<kDtype>(rows, row + lane / 4, col + block * 8 + lane % 4 * 2, pair_of(block));
  }
}

// Stores eight rows in chunks, which the blocks fill. Arguments as in store_eight_rows().
template <Dtype kDtype, int kNumBlocks, class PairOf>
__device__ __forceinline__ void store_chunks(const OutRows& rows, int32_t row, int32_t col,
                                             const PairOf& pair_of) {
  using Chunk = OutChunk<kDtype>;
  static_assert(kNumBlocks % Chunk::kNumPairs == 0);
  constexpr int kNumChunks = kNumBlocks / Chunk::kNumPairs;
  constexpr int kTogether = kNumChunks % 2 == 0 ? 2 : 1;
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int first = 0; first < kNumChunks; first += kTogether) {
    Chunk chunks[kTogether];
    int columns = 0;
#pragma unroll
    for (int c = 0; c < kTogether; ++c) {
#pragma unroll
      for (int i = 0; i < Chunk::kNumPairs; ++i) {
        const float* pair = pair_of((first + c) * Chunk::kNumPairs + i);
        chunks[c].pairs[i] = ptx::OutTraits<kDtype>::pair(pair[0], pair[1]);
      }
      columns = col + first * Chunk::kNumPairs * 8 + gather_columns<kDtype>(chunks[c]);
    }
    if constexpr (kTogether == 1) {
      store_chunk<kDtype>(rows, row + lane / 4, columns, chunks[0]);
    } else {
      // Lanes 0 to 15 take the columns of the first chunk, lanes 16 to 31 those of the second.
#pragma unroll
      for (int i = 0; i < 4; ++i) exchange(chunks[0].words[i], chunks[1].words[i], 16);
      columns += lane / 16 * Chunk::kNumPairs * 8;
      store_chunk<kDtype>(rows, row + lane % 16 / 4, columns, chunks[0]);
      store_chunk<kDtype>(rows, row + lane % 16 / 4 + 4, columns, chunks[1]);
    }
  }
}

// Rounds and stores eight rows from `row` on, kNumBlocks blocks of columns from `col` on.
// pair_of(block) points to this lane's two values. Warp-collective.
template <Dtype kDtype, int kNumBlocks, class PairOf>
__device__ __forceinline__ void store_eight_rows(const OutRows& rows, int32_t row, int32_t col,
                                                 const PairOf& pair_of) {
  if constexpr (kNumBlocks % OutChunk<kDtype>::kNumPairs == 0) {
    store_chunks<kDtype, kNumBlocks>(rows, row, col, pair_of);
  } else {
    store_pairs<kDtype, kNumBlocks>(rows, row, col, pair_of);
  }
}

}  // namespace ggfp8::device
