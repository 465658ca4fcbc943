// The types that the parts of the amx backend share: its limits and its scratch memory.
//
// Operands are swapped: the tile instruction multiplies columns of b with rows of a, so that b is
// decoded in the order of memory and never transposed:
//
//   TDPBF16PS   sums (16 columns of b x 16 rows of a) += b (16 columns x 32 k) * a (32 k x 16 rows)
//
// Order of sums, published in this folder's README:
//
//   step       32 elements of k: even k ascend into one float32 sum from +0, odd k into another;
//              then the sum of the two
//   block sum  sum = sum + step, steps ascending, from +0
//   promotion  acc = fma(sfa * sfb, block sum, acc), k-blocks ascending, from +0
//
// Products of two FP8 values are exact in float32. The instruction flushes subnormal numbers, which
// changes no finite result: FP8 values are multiples of 2^-16, so that products, and what rounding
// makes of their sums, are multiples of 2^-32. Each is zero or at least 2^-32, a normal float32.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "host/work_tile.h"

namespace ggfp8 {

constexpr int64_t kAmxRows = 16;        // rows of a tile register: rows of a, columns of b
constexpr int64_t kAmxStepK = 32;       // elements of k in a tile register
constexpr int64_t kAmxElements = 512;   // bfloat16 elements of a tile register
constexpr int64_t kAmxPanelCols = 32;   // columns that are multiplied at a time
constexpr int64_t kAmxStripPanels = 2;  // panels that are decoded at a time
constexpr int64_t kAmxPieceSteps = 4;   // steps of a piece: the longest k-block

// Limits of a tile of the output. Decoded a, two sections of b (256 KiB) and the accumulators (512
// KiB) stay in the L2 cache of a core, 2 MiB, as far as a second thread of the core leaves room.
constexpr int64_t kAmxMaxRows = 256;
constexpr int64_t kAmxMaxCols = 512;
constexpr int64_t kAmxMaxSectionPieces = 8;

// Tile registers of decoded a. Where rows are few, all of k fits, so that the next tile of the same
// rows finds a decoded.
constexpr int64_t kAmxMaxTilesA = 512;
constexpr int64_t kAmxMaxTilesFewRows = 1024;
constexpr int64_t kAmxFewRowTiles = 4;

// Names the rows whose decoded a, all of k, is in the scratch memory of a thread.
struct AmxLoadedRows {
  int64_t group = -1;
  int64_t row_begin = 0;
  int64_t num_rows = 0;
};

// Per-thread scratch, aligned to 64 bytes. Contents need not survive from tile to tile, but for a,
// sfa and what `loaded` says of them. A chunk is a run of k-blocks whose decoded a fits; a section
// is a part of a chunk whose decoded b fits.
struct AmxScratch {
  uint16_t* a = nullptr;  // [row tiles][steps of a chunk][16 pairs of k][16 rows][2]
  uint16_t* b = nullptr;  // [2 sections][pieces][panels][steps of a piece][32 columns][32 k]
  float* acc = nullptr;   // [panels][row tiles][32 columns][16 rows]
  float* sfa = nullptr;   // [k-blocks of a chunk][row tiles][16 rows]
  float* sfb = nullptr;   // [2 sections][k-blocks of a section][panels][32 columns]
  float* sums = nullptr;  // [2 row tiles][32 columns][16 rows]
  AmxLoadedRows* loaded = nullptr;
};

// Computes one tile of the output. The process must have permission (host/amx_permission.h).
void compute_amx_tile(const Problem& problem, const WorkTile& tile, const AmxScratch& scratch);

}  // namespace ggfp8
