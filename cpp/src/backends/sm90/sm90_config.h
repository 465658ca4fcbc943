// The compile-time shape of one sm90 kernel and the list of the shapes that exist.
//
// A tile has tile_m rows and 128 columns of the output. Two consumer warpgroups share it, 64 of
// wgmma's M each. Large tiles put rows on the M side; small ones swap the operands, so that the
// 128 columns stand on the M side and few rows on the N side. Limits behind the numbers: 232448
// bytes of shared memory per CTA, 224 registers per consumer thread.
#pragma once

#include <array>
#include <cstddef>

#include "core/dtype_pair.h"
#include "core/group_schedule.h"
#include "core/problem.h"

namespace ggfp8::sm90 {

constexpr int kTileN = 128;
constexpr int kTileK = 128;  // one scale block: four wgmma of 32 k
constexpr int kNumConsumerWarpgroups = 2;
constexpr int kNumConsumerThreads = kNumConsumerWarpgroups * 128;
constexpr int kNumThreads = kNumConsumerThreads + 128;

// Registers per thread after the producer warpgroup gave up what it does not need. Together they
// must not exceed the 168 per thread of the launch: consumers would wait for the rest for ever.
constexpr int kProducerRegisters = 56;
constexpr int kConsumerRegisters = 224;

static_assert(kProducerRegisters + kNumConsumerWarpgroups * kConsumerRegisters <= 3 * 168);

struct Config {
  Dtype a_dtype;
  Dtype b_dtype;
  int tile_m;
  bool swapped;  // columns on the M side of wgmma
  int num_stages;

  // wgmma's N and the accumulators of a thread: 64 x N over 128 threads.
  constexpr int wgmma_n() const { return swapped ? tile_m : kTileN; }
  constexpr int num_accumulators() const { return wgmma_n() / 2; }

  // Blocks of 64 rows or columns of wgmma's M that one warpgroup computes, 128 apart.
  constexpr int num_blocks() const { return swapped ? 1 : tile_m / 128; }

  // Shared memory, from an address that is a multiple of 1024 on: the stages' tiles, their scales,
  // the barriers, the tile scheduler's storage.
  constexpr int a_bytes() const { return tile_m * kTileK; }
  constexpr int b_bytes() const { return kTileN * kTileK; }
  constexpr int stage_bytes() const { return a_bytes() + b_bytes(); }
  constexpr int scale_bytes() const { return tile_m * 4 + 16; }
  constexpr int scales_offset() const { return num_stages * stage_bytes(); }
  constexpr int barriers_offset() const { return scales_offset() + num_stages * scale_bytes(); }
  constexpr int schedule_offset() const { return barriers_offset() + num_stages * 2 * 8; }
  constexpr int smem_bytes() const { return 1024 + schedule_offset() + (kNumChunks + 2) * 8; }
};

struct TileShape {
  const char* name;
  int tile_m;
  bool swapped;
  int num_stages;
};

constexpr std::array<TileShape, 5> kTileShapes = {{
    {"tile 16x128, swapped", 16, true, 12},
    {"tile 32x128, swapped", 32, true, 10},
    {"tile 64x128, swapped", 64, true, 9},
    {"tile 128x128", 128, false, 6},
    {"tile 256x128", 256, false, 4},
}};

constexpr int kNumInstances = kNumDtypePairs * static_cast<int>(kTileShapes.size());

constexpr Config config_of(int idx) {
  const TileShape& shape = kTileShapes[static_cast<size_t>(idx / kNumDtypePairs)];
  const int pair = idx % kNumDtypePairs;
  return {a_dtype_of_pair(pair), b_dtype_of_pair(pair), shape.tile_m, shape.swapped,
          shape.num_stages};
}

}  // namespace ggfp8::sm90
