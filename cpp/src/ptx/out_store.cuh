// Stores of accumulators whose rows lie across quads of lanes: lane q of a quad has columns 2 * q
// and 2 * q + 1 of every block of eight. The lanes exchange pairs by shuffles, so that each stores
// 16 neighbouring bytes.
#pragma once

#include <cstdint>

#include "ptx/out_convert.cuh"

namespace ggfp8::ptx {

// 16 bytes of a row.
template <Dtype kDtype>
union OutChunk {
  using Element = typename OutTraits<kDtype>::Element;
  static constexpr int kNumElements = 16 / sizeof(Element);
  static constexpr int kNumPairs = kNumElements / 2;

  uint4 vector;
  uint32_t words[4];
  typename OutTraits<kDtype>::Pair pairs[kNumPairs];
  Element elements[kNumElements];

  __device__ __forceinline__ OutChunk() {}
};

// Swaps words[i] of the lanes whose `bit` is set with words[j] of the lanes one `bit` below.
__device__ __forceinline__ void exchange(uint32_t (&words)[4], int i, int j, int bit) {
  const bool upper = threadIdx.x & bit;
  const uint32_t received = __shfl_xor_sync(0xFFFFFFFFu, upper ? words[i] : words[j], bit);
  if (upper) {
    words[i] = received;
  } else {
    words[j] = received;
  }
}

// In: this lane's pairs of kNumPairs blocks. Out: neighbouring columns; returns which, counted from
// the first of the first block.
template <Dtype kDtype>
__device__ __forceinline__ int gather_columns(OutChunk<kDtype>& chunk) {
  const int q = static_cast<int>(threadIdx.x) % 4;
  if constexpr (OutChunk<kDtype>::kNumPairs == 4) {
    exchange(chunk.words, 0, 1, 1);
    exchange(chunk.words, 2, 3, 1);
    exchange(chunk.words, 0, 2, 2);
    exchange(chunk.words, 1, 3, 2);
    return q * 8;
  } else {
    exchange(chunk.words, 0, 2, 1);
    exchange(chunk.words, 1, 3, 1);
    return q % 2 * 8 + q / 2 * 4;
  }
}

// Rounds and stores num_blocks blocks of a row from column `col` on, without what lies at column
// num_cols or behind. pair_of(block) points to this lane's two values. All lanes of the warp call;
// `exists` says whether the quad's row is to be stored, `aligned` whether rows begin at multiples
// of 16 bytes.
template <Dtype kDtype, int kNumBlocks, class PairOf>
__device__ __forceinline__ void store_row(void* out, int64_t row_offset, bool exists, int32_t col,
                                          int32_t num_cols, bool aligned, const PairOf& pair_of) {
  using Chunk = OutChunk<kDtype>;
  auto* out_row = static_cast<typename Chunk::Element*>(out) + row_offset;
#pragma unroll
  for (int block = 0; block < kNumBlocks; block += Chunk::kNumPairs) {
    Chunk chunk;
#pragma unroll
    for (int i = 0; i < Chunk::kNumPairs; ++i) {
      const float* pair = pair_of(block + i);
      chunk.pairs[i] = OutTraits<kDtype>::pair(pair[0], pair[1]);
    }
    const int32_t first = col + block * 8 + gather_columns<kDtype>(chunk);
    if (!exists) continue;
    if (aligned && first + Chunk::kNumElements <= num_cols) {
      *reinterpret_cast<uint4*>(out_row + first) = chunk.vector;
      continue;
    }
#pragma unroll
    for (int i = 0; i < Chunk::kNumElements; ++i) {
      if (first + i < num_cols) out_row[first + i] = chunk.elements[i];
    }
  }
}

}  // namespace ggfp8::ptx
