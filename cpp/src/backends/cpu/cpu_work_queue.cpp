#include "backends/cpu/cpu_work_queue.h"

#include "core/math.h"

namespace ggfp8 {
namespace {

// `reached` is where the group before ends: the running maximum so far.
int64_t group_end(const Problem& problem, int64_t group, int64_t reached) noexcept {
  const int64_t value = problem.m_indptr[group + 1];
  return max_of(reached, clamp_to(value, int64_t{0}, problem.cum_m));
}

int64_t first_row(const Problem& problem) noexcept {
  return problem.batch_size == 0
             ? 0
             : clamp_to(int64_t{problem.m_indptr[0]}, int64_t{0}, problem.cum_m);
}

}  // namespace

WorkSummary summarize_work(const Problem& problem) noexcept {
  WorkSummary work;
  int64_t begin = first_row(problem);
  for (int64_t group = 0; group < problem.batch_size; ++group) {
    const int64_t end = group_end(problem, group, begin);
    work.num_rows += end - begin;
    work.num_groups += end > begin ? 1 : 0;
    work.max_group_rows = max_of(work.max_group_rows, end - begin);
    begin = end;
  }
  return work;
}

TileShape choose_tile_shape(const Problem& problem, const WorkSummary& work,
                            int32_t num_workers) noexcept {
  // With few rows the time goes into reading b: few columns at a time, so that the rows of b that
  // are read at once stay within the translation buffer and the first-level cache.
  constexpr int64_t kFewRows = 16;
  constexpr int64_t kFewRowsCols = 64;
  constexpr int64_t kTilesPerWorker = 4;  // evens out threads that run at different speeds

  TileShape shape;
  shape.max_rows = min_of(kMaxTileRows, max_of(work.max_group_rows, int64_t{1}));
  shape.max_cols = work.num_rows <= kFewRows * work.num_groups ? kFewRowsCols : kMaxTileCols;
  const int64_t num_row_tiles = max_of(work.num_groups, ceil_div(work.num_rows, shape.max_rows));
  while (shape.max_cols > kMaxPanelCols &&
         num_row_tiles * ceil_div(problem.n, shape.max_cols) < kTilesPerWorker * num_workers) {
    shape.max_cols /= 2;
  }
  return shape;
}

CpuWorkQueue::CpuWorkQueue(const Problem& problem, const TileShape& shape) noexcept
    : problem_(problem), shape_(shape), group_end_(first_row(problem)) {}

bool CpuWorkQueue::next_group() noexcept {
  while (group_ + 1 < problem_.batch_size) {
    ++group_;
    group_begin_ = group_end_;
    group_end_ = group_end(problem_, group_, group_begin_);
    if (group_end_ == group_begin_) continue;
    num_row_tiles_ = ceil_div(group_end_ - group_begin_, shape_.max_rows);
    return true;
  }
  return false;
}

bool CpuWorkQueue::next(CpuTile* tile) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (row_tile_idx_ == num_row_tiles_) {
    row_tile_idx_ = 0;
    col_begin_ += shape_.max_cols;
    if (num_row_tiles_ == 0 || col_begin_ >= problem_.n) {
      col_begin_ = 0;
      num_row_tiles_ = 0;
      if (!next_group()) return false;
    }
  }
  // Row tiles of nearly equal height.
  const int64_t num_rows = group_end_ - group_begin_;
  const int64_t begin = num_rows * row_tile_idx_ / num_row_tiles_;
  const int64_t end = num_rows * (row_tile_idx_ + 1) / num_row_tiles_;
  tile->group = group_;
  tile->group_begin = group_begin_;
  tile->row_begin = group_begin_ + begin;
  tile->num_rows = end - begin;
  tile->col_begin = col_begin_;
  tile->num_cols = min_of(shape_.max_cols, problem_.n - col_begin_);
  ++row_tile_idx_;
  return true;
}

}  // namespace ggfp8
