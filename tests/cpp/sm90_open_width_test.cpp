// backends/sm90/sm90_heuristics.h: the widths of shapes of open width, chosen and requested.
#include <cstdint>
#include <tuple>

#include "backends/sm90/sm90_config.h"
#include "backends/sm90/sm90_heuristics.h"
#include "check.h"
#include "core/math.h"

namespace {

using ggfp8::sm90::Choice;
using ggfp8::sm90::kOpenStep;

ggfp8::DeviceInfo h200() {
  ggfp8::DeviceInfo device;
  device.num_processors = 132;
  return device;
}

// Returns the choice for the problem if it asks for a shape, which the choice must be.
Choice requested_choice(ggfp8::Problem problem, int shape_idx) {
  problem.requested_config = shape_idx;
  const Choice requested = ggfp8::sm90::choose(problem, h200());
  CHECK_EQ(requested.tiling.shape_idx, shape_idx);
  return requested;
}

// A width that is open is a multiple of kOpenStep that the shape's blocks have. n of 144 blocks of
// 128 takes one wave of tiles of 160 columns.
void check_open_widths() {
  const ggfp8::DeviceInfo device = h200();
  int num_open = 0;
  for (int64_t n = 8; n <= 20000; n += n < 2048 ? 8 : 512) {
    for (const int64_t rows : {1, 24, 65, 128, 700}) {
      for (const int64_t batch_size : {1, 2, 36}) {
        ggfp8::Problem problem;
        problem.cum_m = rows * batch_size, problem.batch_size = batch_size;
        problem.n = n, problem.k = 6144, problem.num_k_blocks = 48;
        const Choice choice = ggfp8::sm90::choose(problem, device);
        const auto& shape = ggfp8::sm90::kTileShapes[static_cast<size_t>(choice.tiling.shape_idx)];
        const int width = choice.tiling.tile_n;
        if (!shape.open_width) {
          CHECK_EQ(width, shape.cluster_n());
          continue;
        }
        ++num_open;
        CHECK(width > 0 && width <= shape.block_n && width % kOpenStep == 0);
      }
    }
  }
  CHECK(num_open > 100);
  for (const auto& [rows, n, width] : {std::tuple{69, 18432, 160}, {24, 18432, 160}}) {
    ggfp8::Problem problem;
    problem.cum_m = rows, problem.batch_size = 1;
    problem.n = n, problem.k = 6144, problem.num_k_blocks = 48;
    const Choice choice = ggfp8::sm90::choose(problem, device);
    CHECK_EQ(choice.tiling.tile_n, width);
    CHECK_EQ(choice.num_ctas, ggfp8::ceil_div(n, width));
  }
}

// A shape that is requested gets a width that its blocks have, as a choice of it would, and whole
// blocks where its tiles would be too narrow for a choice.
void check_requested_widths() {
  for (int i = 0; i < static_cast<int>(ggfp8::sm90::kTileShapes.size()); ++i) {
    const auto& shape = ggfp8::sm90::kTileShapes[static_cast<size_t>(i)];
    for (const int64_t n : {8, 136, 1408, 18432}) {
      for (const int64_t rows : {1, 69, 5000}) {
        ggfp8::Problem problem;
        problem.cum_m = rows, problem.batch_size = 3;
        problem.n = n, problem.k = 6144, problem.num_k_blocks = 48;
        const Choice chosen = ggfp8::sm90::choose(problem, h200());
        const Choice requested = requested_choice(problem, i);
        const int width = requested.tiling.tile_n;
        CHECK(shape.open_width ? width > 0 && width <= shape.block_n && width % kOpenStep == 0
                               : width == shape.cluster_n());
        if (chosen.tiling.shape_idx == i) CHECK_EQ(width, chosen.tiling.tile_n);
      }
    }
  }
}

// Tiles of slabs whose rows the caller does not tell have all columns of the block, in a shape that
// is requested or chosen.
void check_requested_widths_of_unknown_rows() {
  for (int i = 0; i < static_cast<int>(ggfp8::sm90::kTileShapes.size()); ++i) {
    const auto& shape = ggfp8::sm90::kTileShapes[static_cast<size_t>(i)];
    for (const int64_t n : {8, 136, 1408, 18432}) {
      for (const int64_t rows : {128, 4096}) {
        ggfp8::Problem problem;
        problem.group_kind = ggfp8::GroupKind::kMasked;
        problem.cum_m = 4 * rows, problem.batch_size = 4;
        problem.n = n, problem.k = 6144;
        problem.granularity_k = shape.scale_k, problem.num_k_blocks = 6144 / shape.scale_k;
        const Choice chosen = ggfp8::sm90::choose(problem, h200());
        const Choice requested = requested_choice(problem, i);
        CHECK_EQ(requested.tiling.tile_n, shape.cluster_n());
        if (chosen.tiling.shape_idx == i) CHECK_EQ(requested.num_ctas, chosen.num_ctas);
      }
    }
  }
}

}  // namespace

int main() {
  check_open_widths();
  check_requested_widths();
  check_requested_widths_of_unknown_rows();
  return check::report();
}
