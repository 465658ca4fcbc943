#include "host/tile_queue.h"

#include "core/math.h"

namespace ggfp8 {

WorkSummary summarize_work(const Problem& problem) noexcept {
  const GroupLayout layout = group_layout_of(problem);
  WorkSummary work;
  int32_t reached = layout.num_groups == 0 ? 0 : first_reached_row(layout);
  for (int32_t group = 0; group < layout.num_groups; ++group) {
    const GroupRows rows = rows_of_group(layout, reached, group);
    const int64_t num_rows = rows.end - rows.begin;
    work.num_rows += num_rows;
    work.num_groups += num_rows > 0 ? 1 : 0;
    work.max_group_rows = max_of(work.max_group_rows, num_rows);
    reached = rows.reached;
  }
  return work;
}

TileQueue::TileQueue(const Problem& problem, const TileShape& shape) noexcept
    : problem_(problem), shape_(shape), layout_(group_layout_of(problem)) {
  if (layout_.num_groups > 0) rows_.reached = first_reached_row(layout_);
}

bool TileQueue::next_group() noexcept {
  while (group_ + 1 < layout_.num_groups) {
    ++group_;
    rows_ = rows_of_group(layout_, rows_.reached, group_);
    if (rows_.end == rows_.begin) continue;
    num_row_tiles_ = ceil_div<int64_t>(rows_.end - rows_.begin, shape_.max_rows);
    return true;
  }
  return false;
}

bool TileQueue::next(WorkTile* tile) noexcept {
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
  const int64_t num_rows = rows_.end - rows_.begin;
  const int64_t begin = num_rows * row_tile_idx_ / num_row_tiles_;
  const int64_t end = num_rows * (row_tile_idx_ + 1) / num_row_tiles_;
  tile->group = group_;
  tile->group_begin = rows_.begin;
  tile->row_begin = rows_.begin + begin;
  tile->num_rows = end - begin;
  tile->col_begin = col_begin_;
  tile->num_cols = min_of(shape_.max_cols, problem_.n - col_begin_);
  ++row_tile_idx_;
  return true;
}

}  // namespace ggfp8
