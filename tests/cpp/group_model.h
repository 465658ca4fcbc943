// Groups of every layout for tests: the group array as a caller has it, the definition of its rows
// in 64 bits, one group after the other, and random arrays, well-formed and hostile.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <random>
#include <vector>

#include "core/group_layout.h"

namespace group_model {

using ggfp8::GroupKind;
using ggfp8::GroupLayout;

constexpr GroupKind kKinds[] = {GroupKind::kIndptr, GroupKind::kEnds, GroupKind::kCounts,
                                GroupKind::kMasked};

struct Rows {
  int64_t begin;
  int64_t end;

  int64_t count() const { return end - begin; }
  bool operator==(const Rows&) const = default;
};

// `wide` is the array of int64; values outside int32 are cut off in that of int32.
struct Groups {
  GroupKind kind = GroupKind::kIndptr;
  int64_t num_rows = 0;
  int32_t alignment = 1;
  bool is_int64 = false;
  std::vector<int64_t> wide;
  std::vector<int32_t> narrow;

  Groups(GroupKind its_kind, int64_t its_num_rows, int32_t its_alignment, bool its_is_int64,
         std::vector<int64_t> values)
      : kind(its_kind),
        num_rows(its_num_rows),
        alignment(its_alignment),
        is_int64(its_is_int64),
        wide(std::move(values)) {
    for (int64_t& value : wide) {
      narrow.push_back(static_cast<int32_t>(value));
      if (!is_int64) value = narrow.back();
    }
  }

  int64_t num_groups() const {
    return static_cast<int64_t>(wide.size()) - (kind == GroupKind::kIndptr ? 1 : 0);
  }
  const void* data() const {
    return is_int64 ? static_cast<const void*>(wide.data()) : narrow.data();
  }
  GroupLayout layout() const {
    return {data(),
            kind,
            is_int64,
            alignment,
            static_cast<int32_t>(num_groups()),
            static_cast<int32_t>(num_rows)};
  }
};

inline int64_t up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// The definition. A group without rows is {0, 0}.
inline std::vector<Rows> rows_of(const Groups& groups) {
  const auto value = [&](int64_t idx) {
    return std::clamp<int64_t>(groups.wide[static_cast<size_t>(idx)], 0, groups.num_rows);
  };
  std::vector<Rows> rows;
  int64_t next = groups.kind == GroupKind::kIndptr ? value(0) : 0;
  for (int64_t g = 0; g < groups.num_groups(); ++g) {
    Rows group = {0, 0};
    switch (groups.kind) {
      case GroupKind::kIndptr: group = {next, value(g + 1)}; break;
      case GroupKind::kEnds: group = {up(next, groups.alignment), value(g)}; break;
      case GroupKind::kCounts: group = {next, std::min(next + value(g), groups.num_rows)}; break;
      case GroupKind::kMasked: group = {0, value(g)}; break;
    }
    switch (groups.kind) {
      case GroupKind::kIndptr: next = std::max(next, value(g + 1)); break;
      case GroupKind::kEnds: next = std::max(next, value(g)); break;
      case GroupKind::kCounts: next += up(value(g), groups.alignment); break;
      case GroupKind::kMasked: break;
    }
    rows.push_back(group.begin < group.end ? group : Rows{0, 0});
  }
  return rows;
}

// Words that no clamp may trip over.
template <class Random>
int64_t hostile_word(Random& random, int64_t num_rows) {
  const int64_t words[] = {INT64_MIN,
                           INT64_MAX,
                           INT32_MIN,
                           INT32_MAX,
                           -1,
                           num_rows + 1,
                           int64_t{1} << 32,
                           num_rows * 2,
                           0,
                           num_rows,
                           static_cast<int64_t>(random())};
  return words[random() % std::size(words)];
}

// Groups of random rows, many of them empty, that fit into num_rows while they can. Well-formed
// ones start at multiples of `unit`.
template <class Random>
Groups random_groups(Random& random, GroupKind kind, int64_t num_groups, int64_t num_rows,
                     int32_t unit = 1) {
  const auto below = [&](int64_t limit) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(limit));
  };
  const bool has_alignment = kind == GroupKind::kEnds || kind == GroupKind::kCounts;
  const int32_t alignments[] = {1, 1, 2, 8, 12, 128, INT32_MAX / unit};
  const int32_t alignment = has_alignment ? unit * alignments[random() % std::size(alignments)] : 1;
  std::vector<int64_t> values;
  int64_t row = kind == GroupKind::kIndptr && below(4) == 0 ? below(num_rows + 1) / unit * unit : 0;
  if (kind == GroupKind::kIndptr) values.push_back(row);
  for (int64_t g = 0; g < num_groups; ++g) {
    int64_t count = below(3) == 0 ? 0 : below(2 * num_rows / num_groups + 2);
    if (kind == GroupKind::kMasked) {
      values.push_back(below(4) == 0 ? num_rows : below(num_rows + 2));
      continue;
    }
    row = up(row, alignment);
    count = std::max<int64_t>(std::min(count, num_rows - row), 0);
    row += count;
    if (kind == GroupKind::kIndptr) row = row / unit * unit;
    values.push_back(kind == GroupKind::kCounts ? count : row);
  }
  if (num_rows > 0 && below(3) == 0) {
    for (int64_t& value : values) {
      if (below(4) == 0) value = hostile_word(random, num_rows);
    }
  }
  return {kind, num_rows, alignment, below(2) == 0, std::move(values)};
}

inline void print(const Groups& groups) {
  std::cerr << "  " << ggfp8::name_of(groups.kind) << ", num_rows " << groups.num_rows
            << ", alignment " << groups.alignment << (groups.is_int64 ? ", int64" : ", int32")
            << ":";
  for (size_t i = 0; i < std::min<size_t>(groups.wide.size(), 16); ++i) {
    std::cerr << " " << groups.wide[i];
  }
  std::cerr << "\n";
}

}  // namespace group_model
