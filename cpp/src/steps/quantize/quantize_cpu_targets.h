// The rows of out that a row of x is quantised to on the CPU, one after the other: from positions,
// or from a row_index that was turned round.
#pragma once

#include <cstdint>
#include <memory>
#include <new>

#include "core/math.h"
#include "steps/quantize/quantize_problem.h"

namespace ggfp8::steps {

// The positions of a row that are rows of out.
class PositionTargets {
 public:
  PositionTargets(const QuantizeProblem& problem, int64_t row)
      : position_(problem.position + row * problem.position_row_stride),
        top_k_(problem.top_k),
        out_rows_(problem.out_rows) {}

  // The next row of out; -1: none is left.
  int64_t next() {
    while (j_ < top_k_) {
      const int64_t target = position_[j_++];
      if (target >= 0 && target < out_rows_) return target;
    }
    return -1;
  }

 private:
  const int32_t* position_;
  int64_t top_k_;
  int64_t out_rows_;
  int64_t j_ = 0;
};

// For each row of x the rows of out that row_index takes from it, in ascending order, as a linked
// list.
class RowLists {
 public:
  explicit RowLists(const QuantizeProblem& problem)
      : first_(new (std::nothrow) int32_t[static_cast<size_t>(problem.x_rows)]),
        next_(new (std::nothrow) int32_t[static_cast<size_t>(problem.rows)]) {
    if (!has_memory()) return;
    for (int64_t row = 0; row < problem.x_rows; ++row) first_[row] = -1;
    for (int64_t row = problem.rows - 1; row >= 0; --row) {
      const int64_t source = read_row_index(problem.row_index, problem.index_type, row);
      if (!is_source_row(source, problem)) continue;
      next_[row] = first_[source];
      first_[source] = static_cast<int32_t>(row);
    }
  }

  // The lists exist.
  bool has_memory() const { return first_ != nullptr && next_ != nullptr; }

  int32_t first(int64_t source) const { return first_[source]; }
  int32_t after(int64_t row) const { return next_[row]; }

 private:
  std::unique_ptr<int32_t[]> first_;
  std::unique_ptr<int32_t[]> next_;
};

class ListTargets {
 public:
  ListTargets(const RowLists& lists, int64_t source)
      : lists_(&lists), target_(lists.first(source)) {}

  int64_t next() {
    const int64_t target = target_;
    if (target >= 0) target_ = lists_->after(target);
    return target;
  }

 private:
  const RowLists* lists_;
  int32_t target_;
};

}  // namespace ggfp8::steps
