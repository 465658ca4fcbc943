// backends/sm90/sm90_tile.h: the parts of the consumer warpgroups cover a block of any size once,
// each in the way that the mainloop and the scales of columns expect.
#include "backends/sm90/sm90_tile.h"

#include <cstddef>
#include <utility>

#include "check.h"

namespace {

using ggfp8::kNumDtypePairs;
using ggfp8::sm90::ColumnScales;
using ggfp8::sm90::Config;
using ggfp8::sm90::kOpenStep;
using ggfp8::sm90::OutBlock;
using ggfp8::sm90::WarpgroupPart;

constexpr int kWarpgroupRows = 64;

template <Config kConfig>
int num_parts_with(const OutBlock& block, int row, int col) {
  int num_parts = 0;
  for (int warpgroup = 0; warpgroup < kConfig.num_consumers; ++warpgroup) {
    const auto part = WarpgroupPart::make<kConfig>(block, warpgroup);
    const bool has_row = row >= part.row_begin && row < part.row_begin + kWarpgroupRows;
    const bool has_col = col >= part.col_begin && col < part.col_begin + part.num_cols;
    num_parts += has_row && has_col ? 1 : 0;
  }
  return num_parts;
}

template <Config kConfig>
void check_part(const OutBlock& block, int warpgroup) {
  const auto part = WarpgroupPart::make<kConfig>(block, warpgroup);
  const int full_width = kConfig.open_width ? block.num_cols : kConfig.block_n;
  CHECK(part.num_cols == 0 || part.num_cols == kConfig.half_n() || part.num_cols == full_width);
  if (part.num_cols == 0) return;
  const bool is_full_width = part.num_cols == full_width;
  CHECK_EQ(part.template is_full_width<kConfig>(), is_full_width);
  CHECK(part.row_begin < block.num_rows);
  // A full-width part begins where the tiles after it find the same descriptors.
  if (is_full_width) CHECK_EQ(part.row_begin, warpgroup * kWarpgroupRows);
  CHECK_EQ(part.template first_sfb<kConfig>(),
           ColumnScales::first_slot(is_full_width, part.col_begin));
}

template <Config kConfig>
void check_blocks() {
  const int step = kConfig.column_scales().has_halves ? kConfig.half_n()
                   : kConfig.open_width               ? kOpenStep
                                                      : kConfig.block_n;
  for (int num_cols = 0; num_cols <= kConfig.block_n; num_cols += step) {
    for (int num_rows = 1; num_rows <= kConfig.block_m; ++num_rows) {
      const OutBlock block = {0, num_rows, 0, num_cols};
      for (int warpgroup = 0; warpgroup < kConfig.num_consumers; ++warpgroup) {
        check_part<kConfig>(block, warpgroup);
      }
      for (int row = 0; row < num_rows; ++row) {
        for (int col = 0; col < num_cols; col += 8) {
          CHECK_EQ(num_parts_with<kConfig>(block, row, col), 1);
        }
      }
    }
  }
}

template <size_t... kShapeIdx>
void check_shapes(std::index_sequence<kShapeIdx...>) {
  (check_blocks<ggfp8::sm90::config_of(static_cast<int>(kShapeIdx) * kNumDtypePairs)>(), ...);
}

// Store boxes of 16 rows are full if the group has all of these rows.
void check_full_boxes() {
  for (int first_row = 0; first_row < 128; first_row += ggfp8::sm90::kStoreBoxRows) {
    for (int row_end = 0; row_end <= 128; ++row_end) {
      const bool has_last_row = first_row + ggfp8::sm90::kStoreBoxRows - 1 < row_end;
      CHECK_EQ(ggfp8::sm90::is_full_box(first_row, row_end), has_last_row);
    }
  }
}

}  // namespace

int main() {
  check_shapes(std::make_index_sequence<ggfp8::sm90::kTileShapes.size()>());
  check_full_boxes();
  return check::report();
}
