// Cuts a problem into tiles of the output and hands them to threads, one at a time.
//
// core/group_layout.h makes groups disjoint whatever the group array holds, so the work is bounded
// by cum_m rows and no two tiles overlap.
#pragma once

#include <cstdint>
#include <mutex>

#include "core/group_layout.h"
#include "core/problem.h"
#include "host/work_tile.h"

namespace ggfp8 {

// Totals of the groups, found by one pass over the group array.
struct WorkSummary {
  int64_t num_rows = 0;
  int64_t num_groups = 0;  // those with rows
  int64_t max_group_rows = 0;
};

WorkSummary summarize_work(const Problem& problem) noexcept;

// Largest tile to cut. It decides about speed alone, never about results.
struct TileShape {
  int64_t max_rows = 0;
  int64_t max_cols = 0;
};

class TileQueue {
 public:
  TileQueue(const Problem& problem, const TileShape& shape) noexcept;

  // Fills the next tile, or returns false when there is none left. Thread-safe.
  bool next(WorkTile* tile) noexcept;

 private:
  bool next_group() noexcept;

  const Problem& problem_;
  const TileShape shape_;
  std::mutex mutex_;
  const GroupLayout layout_;
  int32_t group_ = -1;
  GroupRows rows_ = {};        // of the current group
  int64_t num_row_tiles_ = 0;  // of the current group
  int64_t row_tile_idx_ = 0;   // runs fastest: neighbours in time share b
  int64_t col_begin_ = 0;
};

}  // namespace ggfp8
