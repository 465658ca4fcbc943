// The compile-time shape of one mma kernel and the list of the shapes that exist.
//
// Included by host and device code of this backend. Warp tiles are at most 64 x 32: 64 accumulators
// per thread, twice (block sum and running sum), must stay below 255 registers.
#pragma once

#include <array>
#include <cstddef>

#include "core/dtype_pair.h"
#include "core/group_schedule.h"
#include "core/math.h"
#include "core/problem.h"

namespace ggfp8::mma {

// Bytes of k in one pipeline stage: the longest scale block. Shorter ones leave the rest unused.
constexpr int kStageK = 128;

struct Shape {
  int tile_m;           // rows of a CTA tile
  int tile_n;           // columns of a CTA tile
  int num_warps_m;      // warps along the rows
  int num_warps_n;      // warps along the columns
  int num_stages;       // pipeline depth
  int num_ctas_per_sm;  // where shared memory allows it; registers always do
};

struct Config : Shape {
  Dtype a_dtype;
  Dtype b_dtype;

  constexpr int num_warps() const { return num_warps_m * num_warps_n; }
  constexpr int num_threads() const { return num_warps() * 32; }
  constexpr int warp_tile_m() const { return tile_m / num_warps_m; }
  constexpr int warp_tile_n() const { return tile_n / num_warps_n; }

  // One stage: the a tile, the b tile, then one a scale per row and one b scale per column.
  constexpr int a_bytes() const { return tile_m * kStageK; }
  constexpr int b_bytes() const { return tile_n * kStageK; }
  constexpr int scale_bytes() const { return (tile_m + tile_n) * 4; }
  constexpr int stage_bytes() const { return a_bytes() + b_bytes() + scale_bytes(); }
  // Before the stages lie the tile scheduler's storage and the pipeline's barriers. The first stage
  // begins at a multiple of 128, the width of a row.
  constexpr int schedule_bytes() const { return (kNumChunks + 2) * 8; }
  constexpr int barrier_bytes() const { return num_stages * 2 * 8; }
  constexpr int stages_offset() const { return round_up(schedule_bytes() + barrier_bytes(), 128); }
  constexpr int smem_bytes() const { return stages_offset() + num_stages * stage_bytes(); }
};

// The tile shapes, by growing rows; each exists for the four pairs of FP8 types. The pipelines of
// the first two fit the 99 KiB that the smallest devices give a CTA; the third needs 136 KiB.
struct TileShape : Shape {
  const char* name;
};

constexpr std::array<TileShape, 3> kTileShapes = {{
    {{16, 128, 1, 4, 4, 3}, "tile 16x128"},
    {{64, 128, 1, 4, 3, 2}, "tile 64x128"},
    {{128, 128, 2, 4, 4, 1}, "tile 128x128"},
}};

constexpr int kNumInstances = kNumDtypePairs * static_cast<int>(kTileShapes.size());

constexpr Config config_of(int idx) {
  const Shape& shape = kTileShapes[static_cast<size_t>(idx / kNumDtypePairs)];
  const int pair = idx % kNumDtypePairs;
  return {shape, a_dtype_of_pair(pair), b_dtype_of_pair(pair)};
}

}  // namespace ggfp8::mma
