// The compile-time shape of one mma kernel and the list of the shapes that exist.
//
// Included by host and device code of this backend. Warp tiles are at most 64 x 32: 64 accumulators
// per thread, twice (block sum and running sum), must stay below 255 registers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/config_names.h"
#include "core/dtype_pair.h"
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

  // Scales of a stage.
  constexpr int num_scales() const { return tile_m + tile_n; }
};

// The tile shapes, by growing rows; each exists for the four pairs of FP8 types. The pipelines of
// the first two fit the 99 KiB that the smallest devices give a CTA; the third needs 136 KiB.
struct TileShape : Shape {
  const char* name;
};

constexpr std::array<TileShape, 3> kTileShapes = {{
    {{.tile_m = 16,
      .tile_n = 128,
      .num_warps_m = 1,
      .num_warps_n = 4,
      .num_stages = 4,
      .num_ctas_per_sm = 3},
     "tile 16x128"},
    {{.tile_m = 64,
      .tile_n = 128,
      .num_warps_m = 1,
      .num_warps_n = 4,
      .num_stages = 3,
      .num_ctas_per_sm = 2},
     "tile 64x128"},
    {{.tile_m = 128,
      .tile_n = 128,
      .num_warps_m = 2,
      .num_warps_n = 4,
      .num_stages = 4,
      .num_ctas_per_sm = 1},
     "tile 128x128"},
}};

constexpr auto kShapeNames = names_of(kTileShapes);

constexpr int kNumInstances = kNumDtypePairs * static_cast<int>(kTileShapes.size());

constexpr Config config_of(int idx) {
  const Shape& shape = kTileShapes[static_cast<size_t>(idx / kNumDtypePairs)];
  const int pair = idx % kNumDtypePairs;
  return {shape, a_dtype_of_pair(pair), b_dtype_of_pair(pair)};
}

}  // namespace ggfp8::mma
