// backends/sm90/sm90_column_scales.h: for every part of a block, wherever it begins, each column
// finds its own scale, and each accumulator the segment of its column.
#include "backends/sm90/sm90_column_scales.h"

#include <cstdint>
#include <vector>

#include "backends/sm90/sm90_config.h"
#include "check.h"

namespace {

using ggfp8::sm90::ColumnScales;
using ggfp8::sm90::kOpenStep;

constexpr int kScaleNs[] = {ggfp8::sm90::kLeastScaleN, 128};
constexpr int64_t kLastColumn = INT32_MAX - 256;  // of the largest n that sm90 takes

// The slots as the scale warps fill them for a block: each with the number of its scale of b.
std::vector<int> filled_slots(const ColumnScales& layout, int block_col_begin, int scale_n) {
  std::vector<int> slots;
  for (int slot = 0; slot < layout.num_slots(); ++slot) {
    slots.push_back((block_col_begin + layout.first_column(slot)) / scale_n);
  }
  return slots;
}

// The column of accumulator i of a lane (ptx/wgmma.cuh).
int column_of_accumulator(int i, int lane) {
  return i / 4 * 8 + lane % 4 * 2 + i % 2;
}

void check_scales(const ColumnScales& layout, int block_col_begin, bool is_full_width,
                  int part_col_begin, int scale_n) {
  const int part_n = is_full_width ? layout.block_n : layout.block_n / 2;
  const std::vector<int> slots = filled_slots(layout, block_col_begin, scale_n);
  const int first_slot = ColumnScales::first_slot(is_full_width, part_col_begin);
  CHECK_EQ(first_slot % ColumnScales::kSlotsOfGroup, 0);
  CHECK(first_slot + layout.num_segments() <= layout.num_slots());
  for (int i = 0; i < part_n / 2; ++i) {
    const int segment = layout.segment_of_accumulator(i, part_n);
    CHECK(segment < layout.num_segments());
    for (int lane = 0; lane < 32; ++lane) {
      const int column = block_col_begin + part_col_begin + column_of_accumulator(i, lane);
      CHECK_EQ(slots[static_cast<size_t>(first_slot + segment)], column / scale_n);
    }
  }
}

void check_part(const ColumnScales& layout, int block_col_begin, bool is_full_width,
                int part_col_begin) {
  for (const int scale_n : kScaleNs) {
    check_scales(layout, block_col_begin, is_full_width, part_col_begin, scale_n);
  }
}

// Swapped operands: slot w has the scale of the 64 columns of warpgroup w.
void check_swapped(const ColumnScales& layout) {
  for (const int scale_n : kScaleNs) {
    for (int begin = 0; begin < 8 * layout.block_n; begin += layout.block_n) {
      const std::vector<int> slots = filled_slots(layout, begin, scale_n);
      for (int column = 0; column < layout.block_n; ++column) {
        CHECK_EQ(slots[static_cast<size_t>(column / 64)], (begin + column) / scale_n);
      }
    }
  }
}

// Full blocks begin at multiples of block_n, half blocks at multiples of half of it, blocks of open
// width at multiples of kOpenStep.
void check_layout(const ColumnScales& layout) {
  if (layout.open_width) {
    for (int begin = 0; begin < 4 * 128; begin += kOpenStep) check_part(layout, begin, true, 0);
    return;
  }
  const int half_n = layout.block_n / 2;
  for (int half_idx = 0; half_idx < 24; ++half_idx) {
    const int begin = half_idx * half_n;
    if (half_idx % 2 == 0) check_part(layout, begin, true, 0);
    if (!layout.has_halves) continue;
    check_part(layout, begin, false, 0);
    if (half_idx % 2 == 0) check_part(layout, begin, false, half_n);
  }
}

}  // namespace

int main() {
  for (const ggfp8::sm90::NamedShape& shape : ggfp8::sm90::kTileShapes) {
    const ColumnScales layout = ggfp8::sm90::Config{shape, {}, {}}.column_scales();
    check_layout(layout);
    CHECK(kLastColumn + layout.first_column(layout.num_slots() - 1) <= INT32_MAX);
    if (shape.max_swapped_rows > 0) check_swapped(layout);
  }
  return check::report();
}
