// The types that the parts of the cpu backend share: its limits, its scratch memory, and
// the table entry of one instruction set.
//
// The order of additions is published and the same on every path: inside a k-block k ascends into
// one float32 sum from +0 (the products of FP8 values are exact), then
// acc = fma(sfa * sfb, sum, acc) from +0, k-blocks ascending, then one rounding to the output.
// Vectors therefore run over columns, never over k, and tile sizes cannot change a result.
#pragma once

#include <cstdint>

#include "core/device_info.h"
#include "core/problem.h"
#include "host/work_tile.h"

namespace ggfp8 {

// Limits of a tile. Decoded a (128 KiB), the accumulators (256 KiB) and one panel of decoded b
// (16 KiB) together stay in the L2 cache of one core.
constexpr int64_t kMaxTileRows = 256;
constexpr int64_t kMaxTileCols = 256;
constexpr int64_t kMaxGranularityK = 128;
constexpr int64_t kMaxPanelCols = 32;

// Per-thread scratch, aligned to 64 bytes. Contents need not survive from tile to tile.
struct CpuScratch {
  float* a = nullptr;      // [num_rows][kMaxGranularityK]
  float* panel = nullptr;  // [kMaxGranularityK][panel columns]: b, k-major
  float* acc = nullptr;    // [num_rows][kMaxTileCols]
  float* sfa = nullptr;    // [num_rows] of one k-block
  float* sfb = nullptr;    // [kMaxTileCols] of one k-block
};

struct CpuIsa {
  InstructionSet instruction_set;
  const char* name;         // as in GGFP8_CPU_ISA
  const char* config_name;  // the name and the register tile, rows x columns
  void (*compute_tile)(const Problem& problem, const WorkTile& tile, const CpuScratch& scratch);

  // Decodes count codes, a multiple of 16 up to kMaxGranularityK; values has kMaxGranularityK
  // elements, of which those after count are unspecified.
  void (*decode)(Dtype dtype, const uint8_t* codes, int64_t count, float* values);
};

}  // namespace ggfp8
