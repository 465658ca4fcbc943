// The compile-time shape of one sm90 kernel and the list of the shapes that exist.
//
// The CTAs of a cluster and their consumer warpgroups share a tile of the output
// (sm90_tile_sequence.cuh). Tiles of many rows put them on wgmma's M side; tiles of few swap the
// operands, so that columns stand on the M side and as few rows on the N side as there are. Limits
// behind the numbers: 232448 bytes of shared memory and 65536 registers per CTA.
#pragma once

#include <array>
#include <cstddef>

#include "core/dtype_pair.h"
#include "core/group_schedule.h"
#include "core/problem.h"

namespace ggfp8::sm90 {

constexpr int kTileK = 128;  // one scale block: four wgmma of 32 k
constexpr int kScaleN = 128;
constexpr int kNumSteps = kTileK / 32;

// Warps of the producer warpgroup: the first loads the tiles, these load scales, the last finds
// tiles.
constexpr int kNumScaleWarps = 2;

// Finished rows leave in boxes of 64 columns of 16 bits, those of a warp at a time.
constexpr int kOutBoxRows = 16;
constexpr int kOutBoxBytes = kOutBoxRows * 128;

// Tiles that are known ahead of their turn. A power of two.
constexpr uint32_t kNumTileRecords = 8;

constexpr int kTileStorageBytes = (kNumChunks + 4) * 8 + kNumTileRecords * 40;

struct Shape {
  // What a CTA holds at most of a tile.
  int cta_m;
  int cta_n;
  int max_swapped_rows;  // tiles of no more put columns on the M side of wgmma
  int num_consumers;     // warpgroups
  int cluster_size;      // CTAs
  bool splits_rows;      // between the CTAs of a cluster, which then share b; else columns
  int num_stages;
  int a_box_rows;  // loaded at once
  int b_box_rows;
  bool gathers_out;  // 16-bit outputs go through shared memory, in boxes of rows

  // The tile of a cluster.
  constexpr int tile_m() const { return splits_rows ? cta_m * cluster_size : cta_m; }
  constexpr int tile_n() const { return splits_rows ? cta_n : cta_n * cluster_size; }

  // Rows that one CTA holds: a row tile of no more is a short one (core/group_schedule.h).
  constexpr int short_m() const { return splits_rows ? cta_m : 0; }
};

struct Config : Shape {
  Dtype a_dtype;
  Dtype b_dtype;

  constexpr int num_consumer_threads() const { return num_consumers * 128; }
  constexpr int num_threads() const { return num_consumer_threads() + 128; }

  // Registers per thread: of the launch, and after the producer warpgroup gave up what it does not
  // need. Together they must not exceed the launch's: consumers would wait for the rest for ever.
  constexpr int launch_registers() const { return 65536 / num_threads() / 8 * 8; }
  constexpr int producer_registers() const { return num_consumers == 2 ? 40 : 56; }
  constexpr int consumer_registers() const { return num_consumers == 2 ? 232 : 152; }
  constexpr bool registers_fit() const {
    return producer_registers() + num_consumers * consumer_registers() <=
           (num_consumers + 1) * launch_registers();
  }

  // What is left of a CTA's columns when CTAs, warpgroups or the last wave halve a tile whose rows
  // they would else split, or when there are no more.
  constexpr int half_n() const { return cta_n / 2; }

  // Shared memory, from an address that is a multiple of 1024 on: the stages' tiles, finished rows
  // on their way out, the scales, the barriers, what tiles are found with.
  constexpr int a_box_bytes() const { return a_box_rows * kTileK; }
  constexpr int b_box_bytes() const { return b_box_rows * kTileK; }
  constexpr int a_bytes() const { return cta_m * kTileK; }
  constexpr int b_bytes() const { return cta_n * kTileK; }
  constexpr int stage_bytes() const { return a_bytes() + b_bytes(); }
  // Of a k-block: those of the rows, in front of which bulk copies put up to three of others, then
  // those of the columns. Of 192 columns the limits of scale blocks are among the limits of thirds,
  // also of both halves: there the scales are those of the thirds of all, of the first and of the
  // second half, three and one unused each.
  constexpr int sfb_idx() const { return cta_m + 4; }
  constexpr int num_sfb() const { return splits_rows ? 12 : 4; }
  constexpr int scale_bytes() const { return (sfb_idx() + num_sfb()) * 4; }
  // Boxes of a warp's rows of the output.
  constexpr int num_out_boxes() const { return cta_n / 64; }
  constexpr int out_bytes() const {
    return gathers_out ? num_consumers * 4 * num_out_boxes() * kOutBoxBytes : 0;
  }

  constexpr int out_offset() const { return num_stages * stage_bytes(); }
  constexpr int scales_offset() const { return out_offset() + out_bytes(); }
  constexpr int barriers_offset() const { return scales_offset() + num_stages * scale_bytes(); }
  constexpr int out_barriers_offset() const { return barriers_offset() + num_stages * 16; }
  constexpr int tile_storage_offset() const { return out_barriers_offset() + num_consumers * 16; }
  constexpr int smem_bytes() const { return 1024 + tile_storage_offset() + kTileStorageBytes; }
};

struct TileShape : Shape {
  const char* name;
};

constexpr std::array<TileShape, 3> kTileShapes = {{
    {{32, 128, 32, 2, 1, false, 5, 32, 128, false}, "tile 32x128, swapped"},
    {{192, 128, 32, 3, 2, false, 5, 32, 128, false}, "tile 192x128"},
    {{128, 192, 0, 2, 2, true, 4, 64, 96, true}, "tile 256x192, two CTAs"},
}};

constexpr int kNumInstances = kNumDtypePairs * static_cast<int>(kTileShapes.size());

constexpr Config config_of(int idx) {
  const Shape& shape = kTileShapes[static_cast<size_t>(idx / kNumDtypePairs)];
  const int pair = idx % kNumDtypePairs;
  return {shape, a_dtype_of_pair(pair), b_dtype_of_pair(pair)};
}

}  // namespace ggfp8::sm90
