// Stores of accumulators that lie across a warp: lane 4 * r + q has columns 2 * q and 2 * q + 1 of
// every block of eight columns, in row r of eight. The lanes exchange values by shuffles, so that
// each stores 16 neighbouring bytes, and neighbouring lanes 64 or 128 bytes of a row.
#pragma once

#include <cstdint>
#include <type_traits>

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

// Turns this lane's pairs of kNumPairs blocks into neighbouring columns, which begin at
// gathered_column() of the first block.
template <Dtype kDtype>
__device__ __forceinline__ void gather_columns(OutChunk<kDtype>& chunk) {
  uint32_t (&words)[4] = chunk.words;
  if constexpr (OutChunk<kDtype>::kNumPairs == 4) {
    exchange(words[0], words[1], 1);
    exchange(words[2], words[3], 1);
    exchange(words[0], words[2], 2);
    exchange(words[1], words[3], 2);
  } else {
    exchange(words[0], words[2], 1);
    exchange(words[1], words[3], 1);
  }
}

template <Dtype kDtype>
__device__ __forceinline__ int gathered_column() {
  const int q = static_cast<int>(threadIdx.x) % 4;
  return OutChunk<kDtype>::kNumPairs == 4 ? q * 8 : q % 2 * 8 + q / 2 * 4;
}

// The output of a group: rows before row_end and columns before num_cols, a multiple of 8, may be
// written.
struct OutRows {
  void* out;
  int64_t row_stride;  // in elements
  int32_t row_end;
  int32_t num_cols;
  bool aligned;  // every row begins at a multiple of 16 bytes
};

// Stores neighbouring elements, by one store if the address allows it.
template <bool kAligned, class Vector, class Element>
__device__ __forceinline__ void store_elements(Element* out, const Vector& vector,
                                               const Element* elements) {
  if constexpr (kAligned) {
    *reinterpret_cast<Vector*>(out) = vector;
  } else {
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof(Vector) / sizeof(Element)); ++i) {
      out[i] = elements[i];
    }
  }
}

// Stores eight rows pair by pair. Arguments as in store_eight_rows().
template <Dtype kDtype, bool kAligned, int kNumBlocks, class PairOf>
__device__ __forceinline__ void store_pairs(const OutRows& rows, int32_t row, int32_t col,
                                            const PairOf& pair_of) {
  using Traits = ptx::OutTraits<kDtype>;
  using Element = typename Traits::Element;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int32_t lane_row = row + lane / 4;
  const int32_t lane_col = col + lane % 4 * 2;
  if (lane_row >= rows.row_end) return;
  Element* const out = static_cast<Element*>(rows.out) + lane_row * rows.row_stride + lane_col;
#pragma unroll
  for (int block = 0; block < kNumBlocks; ++block) {
    const float* const values = pair_of(block);
    const typename Traits::Pair pair = Traits::pair(values[0], values[1]);
    const Element elements[] = {pair.x, pair.y};
    if (lane_col + block * 8 < rows.num_cols) {
      store_elements<kAligned>(out + block * 8, pair, elements);
    }
  }
}

// Stores eight rows in chunks, which the blocks fill. Arguments as in store_eight_rows().
template <Dtype kDtype, bool kAligned, int kNumBlocks, class PairOf>
__device__ __forceinline__ void store_chunks(const OutRows& rows, int32_t row, int32_t col,
                                             const PairOf& pair_of) {
  using Chunk = OutChunk<kDtype>;
  using Element = typename Chunk::Element;
  static_assert(kNumBlocks % Chunk::kNumPairs == 0);
  constexpr int kNumChunks = kNumBlocks / Chunk::kNumPairs;
  constexpr int kColumns = Chunk::kNumPairs * 8;  // of the blocks of a chunk
  // Lanes 0 to 15 take the columns of the first of two chunks, lanes 16 to 31 those of the second.
  constexpr int kTogether = kNumChunks % 2 == 0 ? 2 : 1;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int32_t lane_row = row + (kTogether == 1 ? lane : lane % 16) / 4;
  const int32_t lane_col =
      col + gathered_column<kDtype>() + (kTogether == 1 ? 0 : lane / 16 * kColumns);
  Element* const out = static_cast<Element*>(rows.out) + lane_row * rows.row_stride + lane_col;
#pragma unroll
  for (int first = 0; first < kNumChunks; first += kTogether) {
    Chunk chunks[kTogether];
#pragma unroll
    for (int c = 0; c < kTogether; ++c) {
#pragma unroll
      for (int i = 0; i < Chunk::kNumPairs; ++i) {
        const float* pair = pair_of((first + c) * Chunk::kNumPairs + i);
        chunks[c].pairs[i] = ptx::OutTraits<kDtype>::pair(pair[0], pair[1]);
      }
      gather_columns<kDtype>(chunks[c]);
    }
    if constexpr (kTogether == 2) {
#pragma unroll
      for (int i = 0; i < 4; ++i) exchange(chunks[0].words[i], chunks[1].words[i], 16);
    }
    const bool has_columns = lane_col + first * kColumns < rows.num_cols;
#pragma unroll
    for (int c = 0; c < kTogether; ++c) {
      if (has_columns && lane_row + c * 4 < rows.row_end) {
        store_elements<kAligned>(out + c * 4 * rows.row_stride + first * kColumns, chunks[c].vector,
                                 chunks[c].elements);
      }
    }
  }
}

// Rounds and stores eight rows from `row` on, kNumBlocks blocks of columns from `col` on.
// pair_of(block) points to this lane's two values. Warp-collective.
template <Dtype kDtype, int kNumBlocks, class PairOf>
__device__ __forceinline__ void store_eight_rows(const OutRows& rows, int32_t row, int32_t col,
                                                 const PairOf& pair_of) {
  constexpr bool kInChunks = kNumBlocks % OutChunk<kDtype>::kNumPairs == 0;
  const auto store = [&](auto aligned) {
    if constexpr (kInChunks) {
      store_chunks<kDtype, aligned.value, kNumBlocks>(rows, row, col, pair_of);
    } else {
      store_pairs<kDtype, aligned.value, kNumBlocks>(rows, row, col, pair_of);
    }
  };
  if (rows.aligned) {
    store(std::true_type());
  } else {
    store(std::false_type());
  }
}

}  // namespace ggfp8::device
