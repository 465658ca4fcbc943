// The compile-time shape of one sm90 kernel and the list of the shapes that exist.
//
// A CTA computes a block of the output, block_m rows by block_n columns at most; a cluster computes
// the blocks of its CTAs, which together are its tile (sm90_tile.h). A tile of at most
// max_swapped_rows rows is computed with swapped operands.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "backends/sm90/sm90_column_scales.h"
#include "core/config_names.h"
#include "core/dtype_pair.h"
#include "core/math.h"
#include "core/problem.h"

namespace ggfp8::sm90 {

constexpr int kBlockK = 128;  // k of a k-block, which TMA loads together

// Rows whose scales make 16 bytes. TMA loads scales of rows from a multiple of this on.
constexpr int kSfaStep = 4;

// Scale warps of the producer warpgroup. The load warp comes before them, the scheduler warp after.
constexpr int kNumScaleWarps = 2;

// Limits of the hardware for a CTA.
constexpr int kMaxSmemBytes = 232448;
constexpr int kMaxRegisters = 65536;
constexpr int kMaxThreadRegisters = 248;  // the largest multiple of 8

// A TMA store writes a box of 64 columns of 16 bits. Its rows are those of one warp.
constexpr int kStoreBoxRows = 16;
constexpr int kStoreBoxBytes = kStoreBoxRows * 128;

// The operand that all CTAs of a cluster need. Each CTA loads a share of it for all of them.
enum class Multicast : int32_t { kNone, kA, kB };

struct Shape {
  int block_m;  // rows of a CTA's block
  int block_n;  // columns of a CTA's block
  int cluster_size = 1;
  Multicast multicast = Multicast::kNone;  // kA: CTAs stand side by side; kB: one below the other
  int max_swapped_rows = 0;                // a tile of no more rows swaps its operands
  int num_consumers;                       // warpgroups
  int num_stages;
  int a_box_rows;          // rows of a that one TMA load brings
  int b_box_rows;          // rows of b, which are columns of the output
  bool tma_store = false;  // has an epilogue by TMA store, for outputs of 16 bits
  int k_blocks_per_stage = 1;
  int scale_k = kBlockK;  // k of a scale block: a k-block, or half of one

  // Each call chooses how many columns a block has: a multiple of kOpenStep up to block_n. One TMA
  // load brings all of them, and there is no cluster. wgmma multiplies block_n columns in any case;
  // those past the chosen ones are never stored.
  bool open_width = false;

  // A block that needs all of its boxes of a gets them by one TMA load. Each load takes the load
  // warp about 60 cycles. Shapes without a cluster alone have such loads.
  bool whole_a_box = false;

  // Whether the block is small (sm90_small_mainloop.cuh). A stage has several k-blocks then.
  constexpr bool is_small() const { return k_blocks_per_stage > 1; }

  constexpr int scale_blocks_per_k_block() const { return kBlockK / scale_k; }
  constexpr int scale_blocks_per_stage() const {
    return k_blocks_per_stage * scale_blocks_per_k_block();
  }

  // The tile of a cluster.
  constexpr int cluster_m() const {
    return multicast == Multicast::kB ? block_m * cluster_size : block_m;
  }
  constexpr int cluster_n() const {
    return multicast == Multicast::kB ? block_n : block_n * cluster_size;
  }

  // Slots of the tile ring (sm90_tile_ring.cuh). A power of two.
  constexpr int num_tile_records() const {
    return static_cast<int>(std::bit_ceil(static_cast<unsigned>(num_stages + kNumScaleWarps)));
  }

  // Whether the finder is a warp of its own, which finds tiles ahead of time and starts their TMA
  // stores. Otherwise it is the load warp: between the group array and the first load lies no other
  // warp.
  constexpr bool has_scheduler_warp() const { return tma_store || cluster_size > 1; }

  // Registers of a thread of the producers, after setmaxnreg. A single consumer warpgroup leaves
  // enough for 96.
  constexpr int producer_registers() const {
    return num_consumers == 1 ? 96 : num_consumers == 2 ? 40 : 56;
  }

  // Groups that a lane of the finder keeps in registers (sm90_warp_schedule.cuh).
  constexpr int max_kept_groups() const { return producer_registers() < 56 ? 4 : 8; }

  // A row tile is short if one of several CTAs that stand below each other holds all its rows.
  constexpr int short_m() const { return multicast == Multicast::kB ? block_m : 0; }
};

struct Config : Shape {
  Dtype a_dtype;
  Dtype b_dtype;

  constexpr int num_consumer_threads() const { return num_consumers * 128; }
  constexpr int num_threads() const { return num_consumer_threads() + 128; }

  // Registers per thread: of the launch, and after setmaxnreg moved some from the producers to the
  // consumers. All together must fit the registers of the launch, or the consumers wait for ever.
  constexpr int launch_registers() const {
    const int registers = kMaxRegisters / num_threads() / 8 * 8;
    return registers < kMaxThreadRegisters ? registers : kMaxThreadRegisters;
  }
  constexpr int consumer_registers() const { return num_consumers == 3 ? 152 : 232; }
  constexpr bool registers_fit() const {
    return producer_registers() + num_consumers * consumer_registers() <=
           (num_consumers + 1) * launch_registers();
  }

  // Half of a block's columns. CTAs and warpgroups that have too few rows to share take half of the
  // columns each, the last wave may halve a tile, and the last tile of a row may be a half one.
  constexpr int half_n() const { return block_n / 2; }

  // Bytes in shared memory, of which sm90_shared_storage.h has the layout.
  constexpr int a_box_bytes() const { return a_box_rows * kBlockK; }
  constexpr int b_box_bytes() const { return b_box_rows * kBlockK; }
  constexpr int a_bytes() const { return block_m * kBlockK; }
  constexpr int b_bytes() const { return block_n * kBlockK; }

  constexpr ColumnScales column_scales() const {
    return {block_n, multicast == Multicast::kB, open_width};
  }

  constexpr int num_store_boxes() const { return block_n / 64; }  // of a warp
  constexpr int store_bytes() const {
    return tma_store ? num_consumers * 4 * num_store_boxes() * kStoreBoxBytes : 0;
  }
};

struct NamedShape : Shape {
  const char* name;  // block_m x block_n, then what the CTAs of a cluster share
};

// The shape of a small block (sm90_small_mainloop.cuh).
constexpr Shape small_shape(int block_n, int num_stages) {
  return {.block_m = 64,
          .block_n = block_n,
          .num_consumers = 1,
          .num_stages = num_stages,
          .a_box_rows = 8,
          .b_box_rows = block_n,
          .k_blocks_per_stage = 4};
}

// A shape of open width, for calls whose tiles would not fill the last wave.
constexpr Shape open_shape(int block_n, int num_stages) {
  return {.block_m = 128,
          .block_n = block_n,
          .num_consumers = 2,
          .num_stages = num_stages,
          .a_box_rows = 32,
          .b_box_rows = block_n,
          .open_width = true,
          .whole_a_box = true};
}

constexpr Shape k192x128 = {.block_m = 192,
                            .block_n = 128,
                            .cluster_size = 2,
                            .multicast = Multicast::kA,
                            .max_swapped_rows = 32,
                            .num_consumers = 3,
                            .num_stages = 5,
                            .a_box_rows = 32,
                            .b_box_rows = 128};

constexpr Shape k128x192 = {.block_m = 128,
                            .block_n = 192,
                            .cluster_size = 2,
                            .multicast = Multicast::kB,
                            .num_consumers = 2,
                            .num_stages = 4,
                            .a_box_rows = 64,
                            .b_box_rows = 96,
                            .tma_store = true};

constexpr Shape k128x128 = {.block_m = 128,
                            .block_n = 128,
                            .max_swapped_rows = 32,
                            .num_consumers = 2,
                            .num_stages = 6,
                            .a_box_rows = 32,
                            .b_box_rows = 128,
                            .whole_a_box = true};

// Returns the shape with scale blocks of 64 k. Few shapes have them: each adds four kernels.
constexpr Shape with_scale_k_64(Shape shape) {
  shape.scale_k = 64;
  return shape;
}

constexpr std::array<NamedShape, 13> kTileShapes = {{
    {{.block_m = 32,
      .block_n = 128,
      .max_swapped_rows = 32,
      .num_consumers = 2,
      .num_stages = 5,
      .a_box_rows = 32,
      .b_box_rows = 128},
     "32x128"},
    {k192x128, "192x128 cluster 2 multicast a"},
    {k128x192, "128x192 cluster 2 multicast b"},
    {k128x128, "128x128"},
    {small_shape(64, 3), "64x64"},
    {small_shape(32, 4), "64x32"},
    {small_shape(16, 5), "64x16"},
    {open_shape(160, 6), "128x160 narrowed"},
    {open_shape(96, 7), "128x96 narrowed"},
    {with_scale_k_64(k192x128), "192x128 cluster 2 multicast a scale k 64"},
    {with_scale_k_64(k128x192), "128x192 cluster 2 multicast b scale k 64"},
    {with_scale_k_64(k128x128), "128x128 scale k 64"},
    {with_scale_k_64(small_shape(32, 4)), "64x32 scale k 64"},
}};

constexpr auto kShapeNames = names_of(kTileShapes);

// Whether a shape has the problem's scale blocks.
constexpr bool has_scale_blocks_of(const Shape& shape, const Problem& problem) {
  return shape.scale_k == problem.granularity_k;
}

// Returns the k-blocks of a problem; Problem counts its scale blocks.
constexpr int64_t num_loaded_k_blocks(const Problem& problem) {
  return ceil_div<int64_t>(problem.k, kBlockK);
}

constexpr int kNumInstances = kNumDtypePairs * static_cast<int>(kTileShapes.size());

constexpr Config config_of(int idx) {
  const Shape& shape = kTileShapes[static_cast<size_t>(idx / kNumDtypePairs)];
  const int pair = idx % kNumDtypePairs;
  return {shape, a_dtype_of_pair(pair), b_dtype_of_pair(pair)};
}

}  // namespace ggfp8::sm90
