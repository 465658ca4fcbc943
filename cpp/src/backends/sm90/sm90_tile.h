// A tile as one CTA sees it: its block of the output, and the part of each of its warpgroups. Plain
// functions for host and device.
//
// The CTAs of a cluster share a tile in one of three ways:
//
//   multicast a      multicast b      multicast b, short row tile: one CTA holds all rows
//   +-----+-----+    +-----+          +-----+-----+     +--+--+
//   |  0  |  1  |    |  0  |          |  0  |  1  |     |0 |1 |
//   +-----+-----+    +-----+          +-----+-----+     +--+--+
//                    |  1  |          two blocks of     the last block, halved;
//                    +-----+          block_n columns   multicast a in both
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_config.h"
#include "core/math.h"

namespace ggfp8::sm90 {

// A block of the output.
struct alignas(16) OutBlock {
  int32_t row_begin;
  int32_t num_rows;
  int32_t col_begin;
  int32_t num_cols;  // of a full or half block, or 0; may reach past the end of the output
};

// A tile's block of one CTA. A tile without rows ends the sequence of tiles.
struct CtaTile : OutBlock {
  int32_t group_idx;
  int32_t group_row_begin;  // first row of the group
  Multicast multicast;
  bool is_last = false;  // of the CTA; small blocks alone know
};

// The part of a warpgroup in its CTA's block when operands are not swapped: 64 rows of all columns.
// Each takes half of the columns if half blocks exist and one warpgroup holds all rows.
struct WarpgroupPart {
  int row_begin;  // in the block
  int col_begin;  // in the block
  int num_cols;   // 0: no part

  template <Config kConfig>
  GGFP8_HOST_DEVICE static constexpr WarpgroupPart make(const OutBlock& block, int warpgroup) {
    constexpr bool kHasHalves = kConfig.column_scales().has_halves;
    const WarpgroupPart rows = {warpgroup * 64, 0, block.num_cols};
    if (block.num_rows > rows.row_begin && block.num_rows > (kHasHalves ? 64 : 0)) return rows;
    if (kHasHalves && block.num_cols > kConfig.half_n()) {
      return {0, warpgroup * kConfig.half_n(), kConfig.half_n()};
    }
    return {0, 0, warpgroup == 0 ? block.num_cols : 0};
  }

  // Whether the part has block_n columns. The others have half of them, or none.
  template <Config kConfig>
  GGFP8_HOST_DEVICE constexpr bool is_full_width() const {
    return num_cols > (kConfig.column_scales().has_halves ? kConfig.half_n() : 0);
  }

  // The slot of the part's first column scale.
  template <Config kConfig>
  GGFP8_HOST_DEVICE constexpr int first_sfb() const {
    return ColumnScales::first_slot(is_full_width<kConfig>(), col_begin);
  }
};

// Whether all rows of the store boxes of a warp are the group's. TMA stores such boxes; the warp
// itself stores the rows of other boxes.
GGFP8_HOST_DEVICE constexpr bool is_full_box(int32_t first_row, int32_t row_end) {
  return first_row + kStoreBoxRows <= row_end;
}

}  // namespace ggfp8::sm90
