// core/group_layout.h against the definition of every layout: the rows of each group, walked one
// by one and in runs whose gains are combined; what holds for any content of the array; scale rows.
#include "core/group_layout.h"

#include <cstdint>
#include <random>
#include <vector>

#include "check.h"
#include "group_model.h"

namespace {

using ggfp8::GroupKind;
using ggfp8::GroupLayout;
using ggfp8::GroupRows;
using group_model::Groups;
using group_model::kKinds;
using group_model::Rows;

// Walks all groups; `reached` gets the row reached before each and after the last.
std::vector<GroupRows> walk(const GroupLayout& layout, std::vector<int32_t>* reached) {
  std::vector<GroupRows> groups;
  int32_t row = ggfp8::first_reached_row(layout);
  for (int32_t g = 0; g < layout.num_groups; ++g) {
    reached->push_back(row);
    groups.push_back(ggfp8::rows_of_group(layout, row, g));
    row = groups.back().reached;
  }
  reached->push_back(row);
  return groups;
}

bool same_rows(const std::vector<GroupRows>& found, const std::vector<Rows>& wanted) {
  bool ok = found.size() == wanted.size();
  for (size_t g = 0; ok && g < found.size(); ++g) {
    const Rows rows = {found[g].begin, found[g].end};
    ok = wanted[g].count() == 0 ? rows.count() == 0 : rows == wanted[g];
  }
  return ok;
}

// Disjoint, ascending and in bounds; masked groups have a slab each.
bool well_placed(const GroupLayout& layout, const std::vector<GroupRows>& groups) {
  int32_t end = 0;
  for (const GroupRows& rows : groups) {
    if (rows.begin < 0 || rows.begin > rows.end || rows.end > layout.num_rows) return false;
    if (layout.kind == GroupKind::kMasked) continue;
    if (rows.begin < rows.end && rows.begin < end) return false;
    if (rows.begin < rows.end) end = rows.end;
  }
  return true;
}

// The row reached is that of the walk wherever runs of any lengths meet, and gains of neighbouring
// runs combine to the gain of both.
bool gains_combine(const GroupLayout& layout, const std::vector<int32_t>& reached,
                   std::mt19937_64& random) {
  int32_t row = reached[0];
  for (int32_t first = 0; first < layout.num_groups;) {
    const int32_t last =
        std::min(first + 1 + static_cast<int32_t>(random() % 5), layout.num_groups);
    const int32_t middle = first + static_cast<int32_t>(random() % 5) % (last - first + 1);
    const int32_t gain = ggfp8::gain_of_groups(layout, first, last);
    const int32_t halves =
        ggfp8::combine_gains(layout, ggfp8::gain_of_groups(layout, first, middle),
                             ggfp8::gain_of_groups(layout, middle, last));
    row = ggfp8::combine_gains(layout, row, gain);
    if (halves != gain || row != reached[static_cast<size_t>(last)]) return false;
    first = last;
  }
  return true;
}

bool check_groups(const Groups& groups, std::mt19937_64& random) {
  const GroupLayout layout = groups.layout();
  std::vector<int32_t> reached;
  const std::vector<GroupRows> found = walk(layout, &reached);
  const bool ok = CHECK(same_rows(found, group_model::rows_of(groups))) &&
                  CHECK(well_placed(layout, found)) &&
                  CHECK(gains_combine(layout, reached, random));
  if (!ok) group_model::print(groups);
  return ok;
}

void check_random_groups() {
  std::mt19937_64 random(3);
  const int64_t sizes[] = {0, 1, 7, 128, 1000, 2147483520};
  for (int i = 0; i < 20000; ++i) {
    const GroupKind kind = kKinds[random() % 4];
    const auto num_groups = static_cast<int64_t>(1 + random() % 40);
    const int64_t num_rows = sizes[random() % std::size(sizes)];
    if (!check_groups(group_model::random_groups(random, kind, num_groups, num_rows), random)) {
      return;
    }
  }
}

// Sums of counts and aligned rows pass 2^31 and 2^32 many times over (the sanitizer build watches).
void check_extremes() {
  std::mt19937_64 random(4);
  constexpr int64_t kMaxRows = 2147483520;
  for (const GroupKind kind : kKinds) {
    for (const bool is_int64 : {false, true}) {
      for (const int32_t alignment : {1, 3, 128, INT32_MAX}) {
        for (const int64_t value :
             {INT64_MIN, int64_t{INT32_MIN}, int64_t{-1}, int64_t{1}, kMaxRows - 1, kMaxRows,
              int64_t{INT32_MAX}, int64_t{1} << 32, INT64_MAX}) {
          check_groups({kind, kMaxRows, alignment, is_int64, std::vector<int64_t>(100, value)},
                       random);
        }
      }
    }
  }
}

// The examples that the public header's table of layouts stands for.
void check_examples() {
  std::mt19937_64 random(5);
  const auto rows = [&](const Groups& groups) {
    CHECK(check_groups(groups, random));
    return group_model::rows_of(groups);
  };
  using R = std::vector<Rows>;
  CHECK((rows({GroupKind::kIndptr, 20, 1, false, {2, 5, 5, 20}}) == R{{2, 5}, {0, 0}, {5, 20}}));
  CHECK((rows({GroupKind::kEnds, 20, 1, true, {3, 3, 20}}) == R{{0, 3}, {0, 0}, {3, 20}}));
  CHECK((rows({GroupKind::kEnds, 20, 8, false, {3, 8, 20}}) == R{{0, 3}, {0, 0}, {8, 20}}));
  CHECK((rows({GroupKind::kCounts, 20, 8, true, {3, 0, 9}}) == R{{0, 3}, {0, 0}, {8, 17}}));
  CHECK((rows({GroupKind::kMasked, 20, 1, false, {3, 0, 21}}) == R{{0, 3}, {0, 0}, {0, 20}}));
}

// An aligned row past 2^31 is the end of the rows, not a negative row.
void check_large_alignment() {
  constexpr int32_t kRows = 2147483520, kAlignment = 1200000000;
  const int32_t ends[] = {2000000000, kRows};
  const GroupLayout layout = {ends, GroupKind::kEnds, false, kAlignment, 2, kRows};
  CHECK_EQ(ggfp8::aligned_row(layout, 2000000000), kRows);
  const GroupRows rows = ggfp8::rows_of_group(layout, 2000000000, 1);
  CHECK(rows.begin == kRows && rows.end == kRows);
}

void check_scale_rows() {
  for (int64_t row = 0; row < 1000; ++row) {
    CHECK_EQ(ggfp8::scale_row<int64_t>(row, 0, 1), row);
    CHECK_EQ(ggfp8::scale_row<int64_t>(row, 0, 128), row / 128);
  }
  CHECK_EQ(ggfp8::scale_row(300, 256, 128), 2);
  CHECK_EQ(ggfp8::scale_row(384, 256, 128), 3);
  for (const int32_t begin : {0, 1, 127, 128, 300, 1000}) {
    for (int32_t row = begin; row < begin + 400; ++row) {
      CHECK_EQ(ggfp8::scale_row_by_shift(row, begin, 0), ggfp8::scale_row(row, begin, 1));
      CHECK_EQ(ggfp8::scale_row_by_shift(row, begin, 7), ggfp8::scale_row(row, begin, 128));
    }
  }
  // A start inside a block: blocks are counted from the group's first row, and stay in bounds.
  CHECK_EQ(ggfp8::scale_row(300, 100, 128), 1);
  CHECK_EQ(ggfp8::scale_row(227, 100, 128), 0);
}

}  // namespace

int main() {
  check_examples();
  check_random_groups();
  check_extremes();
  check_large_alignment();
  check_scale_rows();
  return check::report();
}
