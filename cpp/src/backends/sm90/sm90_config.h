// The compile-time shape of one sm90 kernel and the list of the shapes that exist.
//
// A tile has tile_m rows and 128 columns of the output. The consumer warpgroups share it, 64 of
// wgmma's M each at a time. Large tiles put rows on the M side; the small one swaps the operands,
// so that the 128 columns stand on the M side and as few rows on the N side as there are. CTAs of a
// cluster take the same rows of neighbouring columns. Limits behind the numbers: 232448 bytes of
// shared memory and 65536 registers per CTA.
#pragma once

#include <array>
#include <cstddef>

#include "core/dtype_pair.h"
#include "core/group_schedule.h"
#include "core/problem.h"

namespace ggfp8::sm90 {

constexpr int kTileN = 128;
constexpr int kTileK = 128;  // one scale block: four wgmma of 32 k

// Warps of the producer warpgroup: the first starts the bulk copies, the others load scales.
constexpr int kNumScaleWarps = 3;
constexpr int kNumScaleThreads = kNumScaleWarps * 32;

// Scales are handed over for several k-blocks at once.
constexpr int kScaleStageKBlocks = 8;
constexpr int kNumScaleStages = 2;

// In front of the scales of a stage: the tile that they belong to.
constexpr int kTileRecordBytes = 32;

struct Shape {
  int tile_m;
  bool swapped;       // columns on the M side of wgmma
  int num_consumers;  // warpgroups
  int cluster_size;   // CTAs
  int num_stages;
  int a_box_rows;  // loaded at once
};

struct Config : Shape {
  Dtype a_dtype;
  Dtype b_dtype;

  constexpr int num_consumer_threads() const { return num_consumers * 128; }
  constexpr int num_threads() const { return num_consumer_threads() + 128; }

  // Registers per thread: of the launch, and after the producer warpgroup gave up what it does not
  // need. Together they must not exceed the launch's: consumers would wait for the rest for ever.
  constexpr int launch_registers() const { return 65536 / num_threads() / 8 * 8; }
  constexpr int producer_registers() const { return 56; }
  constexpr int consumer_registers() const { return num_consumers == 2 ? 224 : 152; }
  constexpr bool registers_fit() const {
    return producer_registers() + num_consumers * consumer_registers() <=
           (num_consumers + 1) * launch_registers();
  }

  // Blocks of 64 rows or columns of wgmma's M that one warpgroup computes, and how far apart.
  constexpr int block_stride() const { return 64 * num_consumers; }
  constexpr int num_blocks() const { return (swapped ? kTileN : tile_m) / block_stride(); }

  // Shared memory, from an address that is a multiple of 1024 on: the stages' tiles, the scales,
  // the barriers, the tile scheduler's storage.
  constexpr int a_box_bytes() const { return a_box_rows * kTileK; }
  constexpr int a_bytes() const { return tile_m * kTileK; }
  constexpr int b_bytes() const { return kTileN * kTileK; }
  constexpr int stage_bytes() const { return a_bytes() + b_bytes(); }
  constexpr int scale_bytes() const { return tile_m * 4 + 16; }  // of a k-block
  constexpr int scale_stage_bytes() const {
    return kTileRecordBytes + kScaleStageKBlocks * scale_bytes();
  }
  constexpr int scales_offset() const { return num_stages * stage_bytes(); }
  constexpr int barriers_offset() const {
    return scales_offset() + kNumScaleStages * scale_stage_bytes();
  }
  constexpr int scale_barriers_offset() const { return barriers_offset() + num_stages * 16; }
  constexpr int schedule_offset() const { return scale_barriers_offset() + kNumScaleStages * 16; }
  constexpr int smem_bytes() const { return 1024 + schedule_offset() + (kNumChunks + 2) * 8; }
};

struct TileShape : Shape {
  const char* name;
};

constexpr std::array<TileShape, 4> kTileShapes = {{
    {{64, true, 2, 1, 9, 32}, "tile 64x128, swapped"},
    {{128, false, 2, 2, 6, 32}, "tile 128x128"},
    {{192, false, 3, 2, 5, 32}, "tile 192x128"},
    {{256, false, 2, 2, 4, 64}, "tile 256x128"},
}};

constexpr int kNumInstances = kNumDtypePairs * static_cast<int>(kTileShapes.size());

constexpr Config config_of(int idx) {
  const Shape& shape = kTileShapes[static_cast<size_t>(idx / kNumDtypePairs)];
  const int pair = idx % kNumDtypePairs;
  return {shape, a_dtype_of_pair(pair), b_dtype_of_pair(pair)};
}

}  // namespace ggfp8::sm90
