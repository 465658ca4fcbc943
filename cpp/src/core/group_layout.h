// Which rows belong to which group: the one place that reads the group array.
//
// One definition for host and device. Walking the groups in order carries one number, the row
// reached; a run of groups changes it by its gain, and gains combine, so that many threads can walk
// at once. Values are clamped: groups are disjoint, ascend and lie inside the arrays whatever the
// array holds, and a hostile array costs no more work than a good one.
//
//   kind     the row reached, before group g            rows of group g, value v = values[g]
//   indptr   largest bound up to values[g]              [reached, max(reached, values[g + 1]))
//   ends     largest end before g, 0 at first           [align(reached), v), or none
//   counts   sum of align(count) before g               [reached, reached + v)
//   masked   -                                          [0, v) of slab g
//
// align() rounds up to a multiple of the alignment.
#pragma once

#include <cstdint>

#include "core/math.h"
#include "core/problem.h"

namespace ggfp8 {

struct GroupLayout {
  const void* values;
  GroupKind kind;
  bool is_int64;
  int32_t alignment;
  int32_t num_groups;
  int32_t num_rows;  // of one slab; cum_m where there is one slab
};

// The layout of a validated problem, whose sizes fit.
inline GroupLayout group_layout_of(const Problem& problem) {
  return {problem.groups,
          problem.group_kind,
          problem.groups_are_int64,
          problem.group_alignment,
          static_cast<int32_t>(problem.batch_size),
          static_cast<int32_t>(problem.rows_per_slab())};
}

// The rows of a group in its slab, and the row reached after it.
struct GroupRows {
  int32_t begin;
  int32_t end;
  int32_t reached;
};

// An entry of the group array, clamped to [0, num_rows] before it is narrowed.
template <class Int>
GGFP8_HOST_DEVICE inline int32_t clamped_entry(const GroupLayout& layout, Int entry) {
  return static_cast<int32_t>(clamp_to<Int>(entry, 0, layout.num_rows));
}

// Reads an entry of the group array.
GGFP8_HOST_DEVICE inline int32_t group_value(const GroupLayout& layout, int32_t idx) {
  return layout.is_int64 ? clamped_entry(layout, static_cast<const int64_t*>(layout.values)[idx])
                         : clamped_entry(layout, static_cast<const int32_t*>(layout.values)[idx]);
}

// row + num_more, but at most num_rows. Both are at most num_rows; their sum fits 32 bits unsigned.
GGFP8_HOST_DEVICE inline int32_t row_after(const GroupLayout& layout, int32_t row,
                                           int32_t num_more) {
  const uint32_t sum = static_cast<uint32_t>(row) + static_cast<uint32_t>(num_more);
  return static_cast<int32_t>(min_of(sum, static_cast<uint32_t>(layout.num_rows)));
}

// The next multiple of the alignment from `row` on, but at most num_rows.
GGFP8_HOST_DEVICE inline int32_t aligned_row(const GroupLayout& layout, int32_t row) {
  if (layout.alignment == 1) return row;
  const uint32_t rounded =
      round_up(static_cast<uint32_t>(row), static_cast<uint32_t>(layout.alignment));
  return static_cast<int32_t>(min_of(rounded, static_cast<uint32_t>(layout.num_rows)));
}

// Whether gains add up; else the largest one counts.
GGFP8_HOST_DEVICE inline bool gains_are_sums(const GroupLayout& layout) {
  return layout.kind == GroupKind::kCounts;
}

// Combines the row reached with a gain, or two gains. Associative; 0 is neutral.
GGFP8_HOST_DEVICE inline int32_t combine_gains(const GroupLayout& layout, int32_t x, int32_t y) {
  return gains_are_sums(layout) ? row_after(layout, x, y) : max_of(x, y);
}

// The row reached before the first group, of which there must be one.
GGFP8_HOST_DEVICE inline int32_t first_reached_row(const GroupLayout& layout) {
  return layout.kind == GroupKind::kIndptr ? group_value(layout, 0) : 0;
}

// The index in the group array of the value that ends a group, or is its count.
GGFP8_HOST_DEVICE inline int32_t value_idx(const GroupLayout& layout, int32_t group_idx) {
  return group_idx + (layout.kind == GroupKind::kIndptr ? 1 : 0);
}

// Returns the gain of a group with this value.
GGFP8_HOST_DEVICE inline int32_t gain_of_value(const GroupLayout& layout, int32_t value) {
  if (layout.kind == GroupKind::kMasked) return 0;
  return gains_are_sums(layout) ? aligned_row(layout, value) : value;
}

// Returns the gain of the groups from `first` to before `last`.
GGFP8_HOST_DEVICE inline int32_t gain_of_groups(const GroupLayout& layout, int32_t first,
                                                int32_t last) {
  int32_t gain = 0;
  if (layout.kind == GroupKind::kMasked) return gain;
  GGFP8_NO_UNROLL for (int32_t group = first; group < last; ++group) {
    const int32_t value = group_value(layout, value_idx(layout, group));
    gain = combine_gains(layout, gain, gain_of_value(layout, value));
  }
  return gain;
}

// The rows of a group with this value, given the row reached before it.
GGFP8_HOST_DEVICE inline GroupRows rows_of_value(const GroupLayout& layout, int32_t reached,
                                                 int32_t value) {
  if (layout.kind == GroupKind::kMasked) return {0, value, 0};
  const bool is_count = gains_are_sums(layout);
  const int32_t aligned = aligned_row(layout, is_count ? value : reached);
  if (is_count) {
    return {reached, row_after(layout, reached, value), row_after(layout, reached, aligned)};
  }
  const int32_t end = max_of(reached, value);
  return {min_of(aligned, end), end, end};
}

// The entries of neighbouring groups in the group array.
template <int kMaxNum>
struct GroupEntries {
  int32_t before;           // the bound before the first of them; 0 where the layout has no bounds
  int32_t values[kMaxNum];  // 0, which means no rows, past the last of them
};

// An entry as its lower 32 bits and the value of the upper ones, which are the sign of an int32:
// device code reads both types without a branch.
struct EntryWords {
  uint32_t low;
  int32_t high;
};

// Reads an entry if it exists; else returns 0.
GGFP8_HOST_DEVICE inline EntryWords entry_words(const GroupLayout& layout, int32_t idx,
                                                bool exists) {
  using Word [[gnu::may_alias]] = uint32_t;
  const int64_t num_words = layout.is_int64 ? 2 : 1;
  const Word* const words = static_cast<const Word*>(layout.values) + idx * num_words;
  const uint32_t low = exists ? words[0] : 0;
  const uint32_t upper = exists && layout.is_int64 ? words[1] : 0;
  return {low, static_cast<int32_t>(layout.is_int64 ? upper : low) >> (layout.is_int64 ? 0 : 31)};
}

GGFP8_HOST_DEVICE inline int32_t clamped_entry(const GroupLayout& layout, const EntryWords& words) {
  const auto low = static_cast<int32_t>(min_of(words.low, static_cast<uint32_t>(layout.num_rows)));
  return words.high == 0 ? low : words.high < 0 ? 0 : layout.num_rows;
}

// Reads the entries of `num` groups. All are asked for before any is used, so that a device waits
// for memory once.
template <int kMaxNum>
GGFP8_HOST_DEVICE inline GroupEntries<kMaxNum> group_entries(const GroupLayout& layout,
                                                             int32_t first_group, int32_t num) {
  const bool has_bounds = layout.kind == GroupKind::kIndptr;
  const EntryWords before = entry_words(layout, first_group, has_bounds && num > 0);
  EntryWords words[kMaxNum];
  GGFP8_DEVICE_UNROLL for (int32_t i = 0; i < kMaxNum; ++i) {
    words[i] = entry_words(layout, value_idx(layout, first_group) + i, i < num);
  }
  GroupEntries<kMaxNum> entries;
  entries.before = clamped_entry(layout, before);
  GGFP8_DEVICE_UNROLL for (int32_t i = 0; i < kMaxNum; ++i) entries.values[i] =
      clamped_entry(layout, words[i]);
  return entries;
}

// The rows of a group, given the row reached before it.
GGFP8_HOST_DEVICE inline GroupRows rows_of_group(const GroupLayout& layout, int32_t reached,
                                                 int32_t group_idx) {
  return rows_of_value(layout, reached, group_value(layout, value_idx(layout, group_idx)));
}

// The row of a_scale, in the group's slab, that belongs to a row of a group. Blocks of rows are
// counted from the group's first row, which well-formed groups have at a multiple of a block.
//
// NOTE: always inlined, because the cpu backend calls it from code of several instruction sets.
template <class Int>
GGFP8_HOST_DEVICE GGFP8_ALWAYS_INLINE constexpr Int scale_row(Int row, Int group_begin,
                                                              int32_t granularity_m) {
  if (granularity_m == 1) return row;
  return group_begin / granularity_m + (row - group_begin) / granularity_m;
}

// Returns scale_row() for a granularity of 2^log2_granularity, without a division or a branch.
GGFP8_HOST_DEVICE constexpr int32_t scale_row_by_shift(int32_t row, int32_t group_begin,
                                                       int32_t log2_granularity) {
  return (group_begin >> log2_granularity) + ((row - group_begin) >> log2_granularity);
}

}  // namespace ggfp8
