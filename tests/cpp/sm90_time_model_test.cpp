// backends/sm90/sm90_time_model.h: the shape for slabs of which nobody says how many rows they
// have, beside the shapes that an assumed number of rows would give. The loss of a shape is its
// expected time over that of the best one, for 1 to all rows of a slab.
#include "backends/sm90/sm90_time_model.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <set>
#include <utility>
#include <vector>

#include "backends/sm90/sm90_config.h"
#include "check.h"

namespace {

using ggfp8::Problem;
using ggfp8::sm90::kTileShapes;
using ggfp8::sm90::Tiling;

const std::vector<int64_t> kNumGroups = {1, 2, 4, 8, 16, 32, 64, 128, 256};
const std::vector<std::pair<int64_t, int64_t>> kSizes = {{4096, 7168}, {7168, 2048}, {1536, 2048},
                                                         {2048, 768},  {3072, 4096}, {4096, 1536},
                                                         {6144, 4096}, {512, 7168}};

ggfp8::DeviceInfo h200() {
  ggfp8::DeviceInfo device;
  device.num_processors = 132;
  device.compute_major = 9;
  return device;
}

Problem slabs(int64_t num_groups, int64_t rows, int64_t n, int64_t k) {
  Problem problem;
  problem.group_kind = ggfp8::GroupKind::kMasked;
  problem.batch_size = num_groups;
  problem.cum_m = num_groups * rows;
  problem.n = n, problem.k = k, problem.num_k_blocks = (k + 127) / 128;
  return problem;
}

Problem with_scale_k(Problem problem, int32_t scale_k) {
  problem.granularity_k = scale_k;
  problem.num_k_blocks = (problem.k + scale_k - 1) / scale_k;
  return problem;
}

double time_with(const Problem& problem, int64_t rows, const Tiling& tiling) {
  return ggfp8::sm90::time_of_even_groups(problem, rows, tiling, h200());
}

// Returns the time with the best shape, whose tiles have all columns that they may have.
double best_time(const Problem& problem, int64_t rows) {
  double best = 0;
  for (int i = 0; i < static_cast<int>(kTileShapes.size()); ++i) {
    const ggfp8::sm90::Shape& shape = kTileShapes[static_cast<size_t>(i)];
    if (!has_scale_blocks_of(shape, problem)) continue;
    const double time = time_with(problem, rows, {i, shape.cluster_n()});
    if (best == 0 || time < best) best = time;
  }
  return best;
}

// The largest loss, and the geometric mean, of the shapes chosen for problems.
struct Losses {
  double worst = 1;
  double log_sum = 0;
  int num = 0;

  // Adds the losses of the tiling that is chosen for a problem.
  void add(const Problem& problem) {
    const Tiling tiling = ggfp8::sm90::fastest_tiling(problem, h200());
    const auto slab = static_cast<double>(problem.rows_per_slab());
    for (double rows = 1; rows <= slab; rows *= 1.25) {
      const double time = time_with(problem, static_cast<int64_t>(rows), tiling);
      const double loss = time / best_time(problem, static_cast<int64_t>(rows));
      worst = std::max(worst, loss);
      log_sum += std::log(loss);
      ++num;
    }
  }

  double mean() const { return std::exp(log_sum / num); }
};

// Losses over all problems with slabs of so many rows, if they are taken to have `assumed` rows
// each; 0: unknown.
Losses losses_of(int64_t slab, int64_t assumed) {
  Losses losses;
  for (const int64_t num_groups : kNumGroups) {
    for (const auto& [n, k] : kSizes) {
      Problem problem = slabs(num_groups, slab, n, k);
      problem.expected_m = assumed;
      losses.add(problem);
    }
  }
  return losses;
}

// No assumed number of rows has a smaller largest loss, nor a smaller mean, but for little.
void check_no_assumption_is_better() {
  constexpr double kMargin = 1.1, kMeanMargin = 1.02;
  for (const int64_t slab : {16, 64, 128, 160, 192, 256, 512, 1024, 4096}) {
    const Losses unknown = losses_of(slab, 0);
    for (int64_t assumed = 1; assumed <= slab; assumed *= 2) {
      for (const int64_t rows : {assumed, std::min(assumed * 3 / 2, slab)}) {
        const Losses other = losses_of(slab, rows);
        if (!CHECK(unknown.worst <= other.worst * kMargin) ||
            !CHECK(unknown.mean() <= other.mean() * kMeanMargin)) {
          std::cerr << "  slabs of " << slab << ", " << rows << " assumed: worst " << other.worst
                    << ", unknown " << unknown.worst << "\n";
        }
      }
    }
    CHECK(unknown.worst < 2.3 && unknown.mean() < 1.12);
  }
}

// Slabs with no more rows than a tile has take that tile, which loses little where it is not full,
// if there are tiles for all SMs.
void check_small_slabs() {
  for (const int64_t slab : {160, 192}) {
    for (const auto& [n, k] : {std::pair{4096, 7168}, {7168, 2048}, {3072, 4096}}) {
      const int shape = ggfp8::sm90::fastest_tiling(slabs(32, slab, n, k), h200()).shape_idx;
      CHECK(kTileShapes[static_cast<size_t>(shape)].cluster_m() == 192);
    }
  }
}

// In 192x128 a row more than a warpgroup has, or two, costs a call that computes a step.
void check_remainder_tiles() {
  const auto time = [](int64_t rows) {
    const Problem problem = slabs(32, 4096, 4096, 7168);
    return time_with(problem, rows, {1, kTileShapes[1].cluster_n()});
  };
  for (const int64_t rows : {64, 128}) {
    CHECK(time(rows + 1) > 1.05 * time(rows));
    CHECK(time(rows) < 1.01 * time(rows - 1));
  }
}

// Every shape is the choice for some sizes on an H200.
void check_every_shape_is_chosen() {
  std::set<int> found;
  for (const auto& [n, k] : {std::pair{136, 336}, {1408, 192}}) {
    for (const int64_t num_groups : {2, 9, 40}) {
      for (const int64_t rows : {1, 33, 64, 65, 129, 192, 193, 257, 384, 512, 1025, 4096}) {
        for (const int32_t scale_k : {64, 128}) {
          Problem problem = with_scale_k(slabs(num_groups, rows, n, k), scale_k);
          problem.expected_m = rows;
          found.insert(ggfp8::sm90::fastest_tiling(problem, h200()).shape_idx);
        }
      }
    }
  }
  CHECK_EQ(found.size(), kTileShapes.size());
}

// A call takes shapes with its scale blocks, whether its rows are known or not.
void check_scale_blocks_of_choice() {
  for (const int32_t scale_k : {64, 128}) {
    for (const int64_t rows : {1, 16, 64, 129, 193, 1024}) {
      for (const int64_t k : {16, 64, 80, 128, 7168}) {
        Problem problem = with_scale_k(slabs(8, rows, 4096, k), scale_k);
        for (const int64_t expected_m : {int64_t{0}, rows}) {
          problem.expected_m = expected_m;
          const int shape_idx = ggfp8::sm90::fastest_tiling(problem, h200()).shape_idx;
          CHECK_EQ(kTileShapes[static_cast<size_t>(shape_idx)].scale_k, scale_k);
        }
      }
    }
  }
}

// Two promotions per k-block take longer. Scales of 64 columns do not.
void check_scale_block_times() {
  const Problem problem = slabs(8, 4096, 4096, 7168);
  const double time = best_time(problem, 4096);
  CHECK(best_time(with_scale_k(problem, 64), 4096) > 1.01 * time);
  Problem narrow = problem;
  narrow.granularity_n = 64;
  CHECK(best_time(narrow, 4096) == time);
}

// A slab without rows, and a hint, are no special cases.
void check_edges() {
  CHECK(ggfp8::sm90::fastest_tiling(slabs(3, 0, 4096, 7168), h200()).tile_n > 0);
  Problem problem = slabs(32, 4096, 4096, 7168);
  CHECK(problem.has_unknown_rows());
  problem.expected_m = 1;
  CHECK(!problem.has_unknown_rows());
  problem.group_kind = ggfp8::GroupKind::kCounts;
  problem.expected_m = 0;
  CHECK(!problem.has_unknown_rows());
}

}  // namespace

int main() {
  check_no_assumption_is_better();
  check_small_slabs();
  check_remainder_tiles();
  check_every_shape_is_chosen();
  check_scale_blocks_of_choice();
  check_scale_block_times();
  check_edges();
  return check::report();
}
