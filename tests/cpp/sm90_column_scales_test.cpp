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
using ggfp8::sm90::kScaleN;

// The slots as the scale warps fill them for a block: each with the number of its scale of b.
std::vector<int> filled_slots(const ColumnScales& layout, int block_col_begin) {
  std::vector<int> slots;
  for (int slot = 0; slot < layout.num_slots(); ++slot) {
    slots.push_back((block_col_begin + layout.first_column(slot)) / kScaleN);
  }
  return slots;
}

// The column of accumulator i of a lane (ptx/wgmma.cuh).
int column_of_accumulator(int i, int lane) {
  return i / 4 * 8 + lane % 4 * 2 + i % 2;
}

void check_part(const ColumnScales& layout, int block_col_begin, bool is_full_width,
                int part_col_begin) {
  const int part_n = is_full_width ? layout.block_n : layout.block_n / 2;
  const std::vector<int> slots = filled_slots(layout, block_col_begin);
  const int first_slot = ColumnScales::first_slot(is_full_width, part_col_begin);
  CHECK_EQ(first_slot % ColumnScales::kSlotsOfGroup, 0);
  CHECK(first_slot + layout.num_segments() <= layout.num_slots());
  for (int i = 0; i < part_n / 2; ++i) {
    const int segment = layout.segment_of_accumulator(i, part_n);
    CHECK(segment < layout.num_segments());
    for (int lane = 0; lane < 32; ++lane) {
      const int column = block_col_begin + part_col_begin + column_of_accumulator(i, lane);
      CHECK_EQ(slots[static_cast<size_t>(first_slot + segment)], column / kScaleN);
    }
  }
}

// Full blocks begin at multiples of block_n, half blocks at multiples of half of it, blocks of open
// width at multiples of kOpenStep.
void check_layout(const ColumnScales& layout) {
  if (layout.open_width) {
    for (int begin = 0; begin < 4 * kScaleN; begin += kOpenStep) {
      check_part(layout, begin, true, 0);
    }
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
    check_layout(ggfp8::sm90::Config{shape, {}, {}}.column_scales());
  }
  return check::report();
}
