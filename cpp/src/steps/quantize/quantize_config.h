// Shapes of the kernels of quantisation, for host and device, and how the host cuts a problem into
// CTAs. Pure; the choice never changes a result.
#pragma once

#include <cstdint>

#include "core/math.h"

namespace ggfp8::steps {

constexpr int kChunkSize = 16;       // neighbouring elements of a row that a thread works on
constexpr int kSmallChunkSize = 8;   // likewise for gates in a small grid, which has idle threads
constexpr int kLargeGridRows = 4;    // rows of which a thread has a chunk each, loaded at once
constexpr int kMidGridRows = 2;      // likewise of gates, and where a grid is not large
constexpr int kRowThreads = 64;      // of a CTA that quantises blocks of one row
constexpr int kMaxRowThreads = 256;  // likewise where a grid would have too many CTAs to start
constexpr int kScatterThreads = 32;  // of a CTA that scatters a part of a row
constexpr int kScatterChunks = 2;    // chunks of that part that a thread has
constexpr int kTallBlockRows = 128;
constexpr int kTallThreads = 256;  // of a CTA that quantises one block of 128 rows
constexpr int kTallChunks = 4;     // chunks of a thread: 128 x 128 elements in 256 x 4 chunks

constexpr int64_t kMaxGridYZ = 65535;  // CTAs along the second and third axis of a grid

// Threads that share one row of a block, with a chunk each: a power of two, of which a block of 96
// columns leaves a quarter idle.
constexpr int lanes_log2(int block_k, int chunk_size = kChunkSize) {
  const int lanes_of_chunks = block_k == 32 ? 1 : (block_k == 64 ? 2 : 3);
  return chunk_size == kChunkSize ? lanes_of_chunks : lanes_of_chunks + 1;
}

// How the k-blocks of a row are dealt to CTAs.
struct BlockTiles {
  int32_t num_tiles;
  int32_t blocks_per_tile;
  int32_t num_threads;  // whole warps
};

// Makes as many tiles as CTAs of max_threads would need, with the blocks shared out evenly, so that
// few threads of the last tile have no block.
constexpr BlockTiles deal_blocks(int64_t num_k_blocks, int lanes, int max_threads) {
  const int64_t blocks_per_cta = max_threads / lanes;
  const int64_t num_tiles = ceil_div(num_k_blocks, blocks_per_cta);
  const auto blocks = static_cast<int32_t>(ceil_div(num_k_blocks, num_tiles));
  const auto tiles = static_cast<int32_t>(ceil_div<int64_t>(num_k_blocks, blocks));
  return {tiles, blocks, round_up(blocks * lanes, 32)};
}

// Neighbouring k-blocks of a CTA that scatters a part of a row.
constexpr int scatter_blocks(int lanes) {
  return kScatterThreads * kScatterChunks / lanes;
}

constexpr BlockTiles deal_scatter_blocks(int64_t num_k_blocks, int lanes) {
  const int blocks = scatter_blocks(lanes);
  return {static_cast<int32_t>(ceil_div<int64_t>(num_k_blocks, blocks)), blocks, kScatterThreads};
}

// The origin of the elements of a row.
enum class RowOrigin { kRow, kIndexedRow, kGates };

// The CTAs of a problem with blocks of one row.
struct RowShape {
  int chunk_size;
  int max_threads;
  int32_t rows_per_cta;
};

// A small grid has a row per CTA, because two take a CTA longer than one. A large one has more rows
// in flight per thread. Starting CTAs takes the device 1.4 ns each: grids between the two that
// would spend the time of their memory accesses on it have larger CTAs.
constexpr RowShape choose_row_shape(RowOrigin origin, int64_t num_rows, int64_t num_k_blocks,
                                    int block_k) {
  constexpr int64_t kFewCtas = 2048;
  const bool has_gates = origin == RowOrigin::kGates;
  const int lanes = 1 << lanes_log2(block_k);
  const int64_t num_ctas = num_rows * deal_blocks(num_k_blocks, lanes, kRowThreads).num_tiles;
  if (num_ctas <= kFewCtas) {
    return has_gates ? RowShape{kSmallChunkSize, kMaxRowThreads, 1}
                     : RowShape{kChunkSize, kRowThreads, 1};
  }
  if (origin == RowOrigin::kIndexedRow && num_ctas <= kFewCtas * kMidGridRows) {
    return {kChunkSize, kMaxRowThreads, kMidGridRows};
  }
  const bool is_large = !has_gates && num_ctas > kFewCtas * kLargeGridRows;
  return {kChunkSize, kRowThreads, is_large ? kLargeGridRows : kMidGridRows};
}

}  // namespace ggfp8::steps
