// The tiles of a problem: they cover every row and column of the groups once, in order, up to the
// largest number of rows there is.
#include "host/tile_queue.h"

#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

using ggfp8::Problem;
using ggfp8::TileShape;
using ggfp8::WorkTile;

Problem problem_of(const std::vector<int32_t>& m_indptr, int64_t n) {
  Problem problem;
  problem.groups = m_indptr.data();
  problem.batch_size = static_cast<int64_t>(m_indptr.size()) - 1;
  problem.cum_m = m_indptr.back();
  problem.n = n;
  problem.k = 16;
  return problem;
}

// Tiles of a group follow one another down a column, and columns one another.
void check_tiles(const std::vector<int32_t>& m_indptr, int64_t n, const TileShape& shape) {
  const Problem problem = problem_of(m_indptr, n);
  ggfp8::TileQueue queue(problem, shape);
  int64_t num_elements = 0, num_wrong = 0;
  WorkTile last{};
  for (WorkTile tile; queue.next(&tile);) {
    const size_t group = static_cast<size_t>(tile.group);
    const bool same_column =
        tile.group == last.group && tile.col_begin == last.col_begin && num_elements > 0;
    const int64_t wanted_row = same_column ? last.row_begin + last.num_rows : m_indptr[group];
    const bool right = tile.row_begin == wanted_row && tile.group_begin == m_indptr[group] &&
                       tile.num_rows >= 1 && tile.num_rows <= shape.max_rows &&
                       tile.row_begin + tile.num_rows <= m_indptr[group + 1] &&
                       tile.num_cols >= 1 && tile.num_cols <= shape.max_cols &&
                       tile.col_begin % shape.max_cols == 0 && tile.col_begin + tile.num_cols <= n;
    num_wrong += right ? 0 : 1;
    num_elements += tile.num_rows * tile.num_cols;
    last = tile;
  }
  CHECK_EQ(num_wrong, 0);
  CHECK_EQ(num_elements, (int64_t{m_indptr.back()} - m_indptr.front()) * n);
  WorkTile tile;
  CHECK(!queue.next(&tile));  // and none comes after the last
}

// Tiles of one row and eight columns: each goes to one thread, and none is lost.
void check_threads() {
  constexpr int64_t kNumTiles = 400'000;
  const std::vector<int32_t> m_indptr = {0, kNumTiles};
  const Problem problem = problem_of(m_indptr, 8);
  ggfp8::TileQueue queue(problem, {.max_rows = 1, .max_cols = 16});
  std::vector<int64_t> sums(4), counts(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < sums.size(); ++i) {
    threads.emplace_back([&, i] {
      for (WorkTile tile; queue.next(&tile);) sums[i] += tile.row_begin, ++counts[i];
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}), kNumTiles);
  CHECK_EQ(std::accumulate(sums.begin(), sums.end(), int64_t{0}), kNumTiles * (kNumTiles - 1) / 2);
}

}  // namespace

int main() {
  const TileShape small = {.max_rows = 5, .max_cols = 16};
  check_tiles({0, 7}, 8, small);
  check_tiles({3, 3, 4, 4, 29, 30}, 40, small);
  check_tiles({0, 0, 0}, 40, small);
  const auto most = static_cast<int32_t>(GGFP8_MAX_CUM_M);
  check_tiles({0, most}, 8, {.max_rows = 1000, .max_cols = 16});
  check_tiles({0, 5, most - 3, most}, 24, {.max_rows = 4000, .max_cols = 16});

  check_threads();

  const std::vector<int32_t> m_indptr = {0, 10, 10, most - 3, most};
  const ggfp8::WorkSummary work = ggfp8::summarize_work(problem_of(m_indptr, 8));
  CHECK_EQ(work.num_rows, int64_t{most});
  CHECK_EQ(work.num_groups, 3);
  CHECK_EQ(work.max_group_rows, int64_t{most} - 13);
  return check::report();
}
