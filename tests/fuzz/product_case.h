// A random legal product on host memory: arguments, guarded arrays, and what out must become.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "groupgemm_fp8/groupgemm_fp8.h"
#include "guarded_array.h"
#include "random.h"

namespace fuzz {

using Args = ggfp8_group_gemm_args;

enum class Form {
  kAny,
  kXla,  // dense arrays, as XLA has them
};

class ProductCase {
 public:
  explicit ProductCase(Random& random, Form form = Form::kAny);

  const Args& args() const { return args_; }

  // Fills out with a pattern that no result has.
  void clear_out();
  bool out_is_untouched() const;
  // Whether the rows of groups have the exact result, and all else is untouched.
  bool out_is_right() const;

  // Bytes that the arrays have: a, b, a_scale, b_scale, groups, out.
  std::vector<int64_t> capacities() const;

  // Sizes of the call, defaults filled in.
  int64_t num_slabs() const;
  int64_t rows_per_slab() const;
  int64_t num_m_blocks() const { return blocks(rows_per_slab(), gm_); }
  int64_t num_n_blocks() const { return blocks(args_.n, gn_); }
  int64_t num_k_blocks() const { return blocks(args_.k, gk_); }
  bool a_scale_is_mn() const { return args_.scale_major != GGFP8_SCALE_MAJOR_K; }
  bool b_scale_is_mn() const;
  int64_t num_group_values() const { return static_cast<int64_t>(values_.size()); }
  const void* group_array() const { return groups_->as<void>(); }

 private:
  void choose_codes(Random& random);
  void choose_sizes(Random& random);
  void choose_groups(Random& random);
  void choose_strides(Random& random);
  void make_arrays(Random& random);
  bool element_is_right(int64_t slab, int64_t row, int64_t col, int64_t group) const;

  static int64_t blocks(int64_t size, int64_t block) { return (size + block - 1) / block; }

  const Form form_;
  Args args_ = GGFP8_GROUP_GEMM_ARGS_INIT;
  int64_t gm_ = 1, gn_ = 128, gk_ = 128;  // as args_ says, defaults filled in
  std::vector<int64_t> values_;           // the group array
  std::vector<int64_t> first_rows_, last_rows_;
  std::unique_ptr<GuardedArray> a_, b_, a_scale_, b_scale_, groups_, out_;
};

}  // namespace fuzz
