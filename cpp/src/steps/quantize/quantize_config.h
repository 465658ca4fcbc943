// Shapes of the kernels of quantisation, for host and device, and how the host cuts a problem into
// CTAs. Pure; the choice never changes a result.
#pragma once

#include <cstdint>

#include "core/math.h"

namespace ggfp8::steps {

constexpr int kChunkSize = 16;      // neighbouring elements of a row that a thread works on
constexpr int kRowsPerThread = 2;   // rows of which a thread has a chunk each, loaded at once
constexpr int kMaxRowThreads = 64;  // of a CTA that quantises blocks of one row
constexpr int kTallBlockRows = 128;
constexpr int kTallThreads = 256;  // of a CTA that quantises one block of 128 rows
constexpr int kTallChunks = 4;     // chunks of a thread: 128 x 128 elements in 256 x 4 chunks

constexpr int64_t kMaxGridYZ = 65535;  // CTAs along the second and third axis of a grid

// Threads that share one row of a block, with a chunk each: a power of two, of which a block of 96
// columns leaves a quarter idle.
constexpr int lanes_log2(int block_k) {
  return block_k == 32 ? 1 : (block_k == 64 ? 2 : 3);
}

// How the k-blocks of a row are dealt to CTAs.
struct RowTiles {
  int32_t num_tiles;
  int32_t blocks_per_tile;
  int32_t num_threads;  // whole warps
};

// Makes as many tiles as CTAs of kMaxRowThreads would need, with the blocks shared out evenly, so
// that few threads of the last tile have no block.
constexpr RowTiles make_row_tiles(int64_t num_k_blocks, int lanes) {
  const int64_t blocks_per_cta = kMaxRowThreads / lanes;
  const int64_t num_tiles = ceil_div(num_k_blocks, blocks_per_cta);
  const auto blocks = static_cast<int32_t>(ceil_div(num_k_blocks, num_tiles));
  const auto tiles = static_cast<int32_t>(ceil_div<int64_t>(num_k_blocks, blocks));
  return {tiles, blocks, round_up(blocks * lanes, 32)};
}

// Rows of a CTA that quantises blocks of one row: a single one where the grid is then still so
// small that its CTAs run at once, because two rows take a CTA longer than one.
constexpr int32_t choose_rows_per_cta(int64_t num_rows, int64_t num_tiles) {
  constexpr int64_t kFewCtas = 2048;
  return num_rows * num_tiles <= kFewCtas ? 1 : kRowsPerThread;
}

}  // namespace ggfp8::steps
