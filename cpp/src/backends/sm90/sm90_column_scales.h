// The scales of a block's columns (sfb) in a stage: which slot has which scale, and which slot an
// accumulator needs. Written by the scale warps, read by the mainloops.
//
// A scale covers 64 or 128 columns of b. A block of 192 columns begins at a multiple of 64, so each
// third of it (64 columns) has one scale. A half block begins at a multiple of 32, so each third of
// it (32 columns) has one scale. A stage stores a group of slots for each part that a warpgroup may
// have:
//
//   columns  0        32        64        96        128       160       192
//   full     |         0         |         1         |         2         |      slots 0, 1, 2
//   left     |    4    |    5    |    6    |                                    slots 4, 5, 6
//   right                                  |    8    |    9    |   10    |      slots 8, 9, 10
//
// The fourth slot of a group is padding, so that one load of 16 bytes reads the group. A block of
// 128 columns begins at a multiple of 128: each half of it has one scale, in slots 0 and 1. A block
// of at most 64 columns begins at a multiple of its width: it has one scale, in slot 0. A block of
// open width begins at a multiple of 32: each 32 of its columns have one scale, in a slot of their
// own.
#pragma once

#include "core/math.h"

namespace ggfp8::sm90 {

constexpr int kLeastScaleN = 64;  // columns of a scale, at least

// Columns of a block of open width are a multiple of this. Fewer columns per scale would take more
// factors, and a promotion reads registers faster where many accumulators in turn share a factor.
constexpr int kOpenStep = 32;

struct ColumnScales {
  static constexpr int kSlotsOfGroup = 4;

  int block_n;
  bool has_halves;  // parts of half a block exist
  bool open_width;

  // Segments of a part. Each has one scale, in slots that follow each other.
  constexpr int num_segments() const {
    return open_width ? block_n / kOpenStep : has_halves ? 3 : ceil_div(block_n, kLeastScaleN);
  }

  constexpr int num_slots() const {
    return (has_halves ? 3 : 1) * round_up(num_segments(), kSlotsOfGroup);
  }

  // The first column of a slot's segment, counted from the block's first. A padding slot has the
  // first column after its group's last segment; in a block without halves and of fixed width, that
  // of the last segment.
  GGFP8_HOST_DEVICE constexpr int first_column(int slot) const {
    if (open_width) return slot * kOpenStep;
    if (!has_halves) return min_of(slot, num_segments() - 1) * kLeastScaleN;
    if (slot < kSlotsOfGroup) return slot * (block_n / 3);
    return (slot / kSlotsOfGroup - 1) * (block_n / 2) + slot % kSlotsOfGroup * (block_n / 2 / 3);
  }

  // The slot of the first segment of a part, which is full-width or begins at column 0 or block_n /
  // 2 of the block.
  GGFP8_HOST_DEVICE static constexpr int first_slot(bool is_full_width, int part_col_begin) {
    if (is_full_width) return 0;
    return part_col_begin == 0 ? kSlotsOfGroup : 2 * kSlotsOfGroup;
  }

  // The segment of accumulator `i` of a thread that has part_n / 2 of them (ptx/wgmma.cuh).
  GGFP8_HOST_DEVICE constexpr int segment_of_accumulator(int i, int part_n) const {
    return i * num_segments() / (part_n / 2);
  }
};

}  // namespace ggfp8::sm90
