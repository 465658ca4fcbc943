// Epilogue: rounds the accumulators to the output type and stores the rows of the group.
//
// Where rows stand on wgmma's M side, a thread holds pairs of neighbouring columns, and the four
// threads of a quad hold neighbouring pairs of the same row. They exchange pairs, so that each
// stores 16 neighbouring bytes, and the quad 64 bytes of a row.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_mainloop.cuh"
#include "backends/sm90/sm90_params.h"
#include "core/tile_scheduler.cuh"
#include "ptx/out_convert.cuh"

namespace ggfp8::sm90 {

// 16 bytes of the output, which one thread stores.
template <Dtype kDtype>
union OutChunk {
  using Element = typename ptx::OutTraits<kDtype>::Element;
  using Pair = typename ptx::OutTraits<kDtype>::Pair;
  static constexpr int kNumElements = 16 / sizeof(Element);
  static constexpr int kNumPairs = kNumElements / 2;

  uint4 vector;
  uint32_t words[4];
  Pair pairs[kNumPairs];
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

// In: pairs of columns q * 2 of kNumPairs blocks of eight columns, q the lane's place in its quad.
// Out: neighbouring columns, from the returned one of the first block on.
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

// Stores what of the chunk lies in front of column n; at once where that is all of it and the
// address allows it.
template <Dtype kDtype>
__device__ __forceinline__ void store_chunk(typename OutChunk<kDtype>::Element* out_row,
                                            const OutChunk<kDtype>& chunk, int32_t col,
                                            const Params& params) {
  constexpr int kNumElements = OutChunk<kDtype>::kNumElements;
  if (params.out_aligned && col + kNumElements <= params.n) {
    *reinterpret_cast<uint4*>(out_row + col) = chunk.vector;
    return;
  }
#pragma unroll
  for (int i = 0; i < kNumElements; ++i) {
    if (col + i < params.n) out_row[col + i] = chunk.elements[i];
  }
}

// Rows on the M side: a thread holds pairs of neighbouring columns.
template <Dtype kDtype, Config kConfig>
__device__ __forceinline__ void store_rows(const BlockAccumulator<kConfig>& accumulator,
                                           const ThreadPosition& position, int block_idx,
                                           const Tile& tile, const Params& params) {
  using Chunk = OutChunk<kDtype>;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int32_t row = tile.row_begin + block_idx * kConfig.block_stride() + position.m + half * 8;
    auto* out_row = static_cast<typename Chunk::Element*>(params.out) + row * params.out_row_stride;
#pragma unroll
    for (int j = 0; j < kConfig.num_accumulators() / 4; j += Chunk::kNumPairs) {
      Chunk chunk;
#pragma unroll
      for (int i = 0; i < Chunk::kNumPairs; ++i) {
        const float* pair = accumulator + (j + i) * 4 + half * 2;
        chunk.pairs[i] = ptx::OutTraits<kDtype>::pair(pair[0], pair[1]);
      }
      const int32_t col = tile.col_begin + j * 8 + gather_columns<kDtype>(chunk);
      if (row < tile.row_end) store_chunk<kDtype>(out_row, chunk, col, params);
    }
  }
}

// Columns on the M side: a thread holds pairs of neighbouring rows.
template <Dtype kDtype, Config kConfig>
__device__ __forceinline__ void store_columns(const BlockAccumulator<kConfig>& accumulator,
                                              const ThreadPosition& position, const Tile& tile,
                                              const Params& params) {
  using Traits = ptx::OutTraits<kDtype>;
  using Element = typename Traits::Element;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int32_t col = tile.col_begin + position.m + half * 8;
    if (col >= params.n) continue;
    Element* out = static_cast<Element*>(params.out) + col;
#pragma unroll
    for (int j = 0; j < kConfig.num_accumulators() / 4; ++j) {
      const int32_t row = tile.row_begin + j * 8 + position.n;
      const auto pair =
          Traits::pair(accumulator[j * 4 + half * 2], accumulator[j * 4 + half * 2 + 1]);
      if (row < tile.row_end) out[row * params.out_row_stride] = pair.x;
      if (row + 1 < tile.row_end) out[(row + 1) * params.out_row_stride] = pair.y;
    }
  }
}

template <Dtype kDtype, Config kConfig>
__device__ __forceinline__ void store_tile_as(const Accumulator<kConfig>& accumulator,
                                              const ThreadPosition& position, const Tile& tile,
                                              const Params& params) {
  if constexpr (kConfig.swapped) {
    store_columns<kDtype, kConfig>(accumulator[0], position, tile, params);
  } else {
#pragma unroll
    for (int i = 0; i < kConfig.num_blocks(); ++i) {
      store_rows<kDtype, kConfig>(accumulator[i], position, i, tile, params);
    }
  }
}

template <Config kConfig>
__device__ __forceinline__ void store_tile(const Accumulator<kConfig>& accumulator,
                                           const ThreadPosition& position, const Tile& tile,
                                           const Params& params) {
  switch (params.out_dtype) {
    case Dtype::kBFloat16:
      store_tile_as<Dtype::kBFloat16, kConfig>(accumulator, position, tile, params);
      break;
    case Dtype::kFloat16:
      store_tile_as<Dtype::kFloat16, kConfig>(accumulator, position, tile, params);
      break;
    default: store_tile_as<Dtype::kFloat32, kConfig>(accumulator, position, tile, params);
  }
}

}  // namespace ggfp8::sm90
