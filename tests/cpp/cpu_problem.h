// Random problems for tests of the cpu backend, with all their arrays. A case owns its memory;
// every buffer has guard bytes around it and a base address that is as unaligned as the contract
// allows. `out` is filled with a sentinel, so comparing whole buffers also checks what must not be
// written.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <vector>

#include "core/math.h"
#include "core/problem.h"
#include "group_model.h"

namespace cpu_problem {

using ggfp8::Dtype;
using ggfp8::GroupKind;
using ggfp8::Problem;

enum class Content { kFinite, kRareSpecials, kAnyBits };

class Case {
 public:
  // Sizes are at most the given ones where the contract leaves room.
  Case(uint32_t seed, int64_t max_rows, int64_t max_n, int64_t max_k) : random_(seed) {
    problem_.device_type = ggfp8::DeviceType::kCpu;
    choose_codes();
    problem_.cum_m = problem_.granularity_m * uniform(1, 2 + max_rows / problem_.granularity_m);
    problem_.n = 8 * uniform(1, max_n / 8);
    problem_.k = 16 * uniform(0, max_k / 16);
    problem_.batch_size = uniform(0, 6);
    choose_groups();
    choose_layout();
    fill_arrays();
  }

  // The problem with a fresh sentinel-filled output buffer, which *out owns.
  Problem with_output(std::vector<uint8_t>* out) const {
    const int64_t element_bytes = ggfp8::size_of(problem_.out_dtype);
    const int64_t bytes =
        extent(problem_.out.group_stride, problem_.out.row_stride, problem_.n) * element_bytes;
    out->assign(static_cast<size_t>(2 * kGuardBytes + bytes), 0xA5);
    Problem problem = problem_;
    problem.out.data = out->data() + kGuardBytes + (element_bytes == 2 ? 2 : 4);
    return problem;
  }

  const Problem& problem() const { return problem_; }

 private:
  static constexpr int64_t kGuardBytes = 64;

  int64_t uniform(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }

  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[uniform(0, static_cast<int64_t>(values.size()) - 1)];
  }

  void choose_codes() {
    Problem& p = problem_;
    p.a_dtype = one_of({Dtype::kFloat8E4M3, Dtype::kFloat8E5M2});
    p.b_dtype = one_of({Dtype::kFloat8E4M3, Dtype::kFloat8E5M2});
    p.out_dtype = one_of({Dtype::kBFloat16, Dtype::kFloat16, Dtype::kFloat32});
    p.granularity_m = one_of({1, 1, 128});
    p.granularity_n = one_of({1, 64, 128});
    p.granularity_k = one_of({32, 64, 96, 128});
    p.sfa_major = one_of({ggfp8::ScaleMajor::kMn, ggfp8::ScaleMajor::kK});
    p.sfb_major = one_of({ggfp8::ScaleMajor::kMn, ggfp8::ScaleMajor::kK});
  }

  // cum_m so far is that of a slab.
  void choose_groups() {
    Problem& p = problem_;
    p.group_kind = one_of({GroupKind::kIndptr, GroupKind::kEnds, GroupKind::kCounts,
                           p.batch_size > 0 ? GroupKind::kMasked : GroupKind::kIndptr});
    const int32_t unit = one_of({p.granularity_m, 1});  // 1: groups begin inside blocks of rows
    groups_ = group_model::random_groups(random_, p.group_kind, p.batch_size, p.cum_m, unit);
    p.groups = groups_->data();
    p.groups_are_int64 = groups_->is_int64;
    p.group_alignment = groups_->alignment;
    if (p.group_kind == GroupKind::kMasked) p.cum_m *= p.batch_size;
  }

  void choose_layout() {
    Problem& p = problem_;
    p.num_m_blocks = ggfp8::ceil_div<int64_t>(p.rows_per_slab(), p.granularity_m);
    p.num_n_blocks = ggfp8::ceil_div<int64_t>(p.n, p.granularity_n);
    p.num_k_blocks = ggfp8::ceil_div<int64_t>(p.k, p.granularity_k);
    p.a.row_stride = p.k + 16 * uniform(0, 2);
    p.b.row_stride = p.k + 16 * uniform(0, 2);
    p.b.group_stride = p.n * p.b.row_stride + 16 * uniform(0, 2);
    p.out.row_stride = p.n + uniform(0, 5);
    const bool a_mn = p.sfa_major == ggfp8::ScaleMajor::kMn;
    const bool b_mn = p.sfb_major == ggfp8::ScaleMajor::kMn;
    const int64_t a_pitch = (a_mn ? p.num_m_blocks : p.num_k_blocks) + uniform(0, 3);
    const int64_t b_pitch = (b_mn ? p.num_n_blocks : p.num_k_blocks) + uniform(0, 3);
    p.sfa.mn_stride = a_mn ? 1 : a_pitch;
    p.sfa.k_stride = a_mn ? a_pitch : 1;
    p.sfb.mn_stride = b_mn ? 1 : b_pitch;
    p.sfb.k_stride = b_mn ? b_pitch : 1;
    p.sfb.group_stride = (b_mn ? p.num_k_blocks : p.num_n_blocks) * b_pitch + uniform(0, 3);
    const int64_t a_scale_size = (a_mn ? p.num_k_blocks : p.num_m_blocks) * a_pitch;
    if (p.group_kind == GroupKind::kMasked) choose_slabs(a_scale_size);
    const int64_t num_slabs = p.group_kind == GroupKind::kMasked ? p.batch_size : 1;
    a_scale_.resize(static_cast<size_t>((num_slabs - 1) * p.sfa.group_stride + a_scale_size));
    b_scale_.resize(static_cast<size_t>(p.batch_size * p.sfb.group_stride));
  }

  // Slabs one after the other, or interleaved row by row.
  void choose_slabs(int64_t a_scale_size) {
    Problem& p = problem_;
    p.sfa.group_stride = a_scale_size + uniform(0, 3);
    if (uniform(0, 1) == 0) {
      p.a.group_stride = p.rows_per_slab() * p.a.row_stride + 16 * uniform(0, 2);
      p.out.group_stride = p.rows_per_slab() * p.out.row_stride + uniform(0, 5);
    } else {
      std::swap(p.a.group_stride, p.a.row_stride);
      std::swap(p.out.group_stride, p.out.row_stride);
      p.a.row_stride = p.batch_size * p.a.group_stride + 16 * uniform(0, 2);
      p.out.row_stride = p.batch_size * p.out.group_stride + uniform(0, 5);
    }
  }

  // Elements from the first to the last of a or out, whose rows have num_cols.
  int64_t extent(int64_t slab_stride, int64_t row_stride, int64_t num_cols) const {
    const Problem& p = problem_;
    if (p.cum_m == 0) return 0;
    const int64_t num_slabs = p.group_kind == GroupKind::kMasked ? p.batch_size : 1;
    return (num_slabs - 1) * slab_stride + (p.rows_per_slab() - 1) * row_stride + num_cols;
  }

  void fill_codes(std::vector<uint8_t>* codes, Dtype dtype, Content content) {
    const int first_special = dtype == Dtype::kFloat8E4M3 ? 0x7F : 0x7C;
    for (uint8_t& code : *codes) {
      code = static_cast<uint8_t>(random_());
      const bool may_be_special = content == Content::kAnyBits ||
                                  (content == Content::kRareSpecials && uniform(0, 2000) == 0);
      if ((code & 0x7F) >= first_special && !may_be_special) code &= 0xBF;
    }
  }

  void fill_scales(std::vector<float>* scales, Content content) {
    const float infinity = std::numeric_limits<float>::infinity();
    for (float& scale : *scales) {
      scale =
          std::ldexp(static_cast<float>(uniform(-1000, 1000)), static_cast<int>(uniform(-14, -6)));
      if (content == Content::kFinite || uniform(0, 50) != 0) continue;
      scale = one_of({0.0f, -0.0f, infinity, std::nanf(""), 1e-40f, -1e-30f, 1e30f});
    }
  }

  void fill_arrays() {
    Problem& p = problem_;
    const Content content = one_of({Content::kFinite, Content::kRareSpecials, Content::kAnyBits});
    const int64_t offset = uniform(0, 15);
    a_.resize(static_cast<size_t>(offset + extent(p.a.group_stride, p.a.row_stride, p.k)));
    b_.resize(static_cast<size_t>(offset + p.batch_size * p.b.group_stride));
    fill_codes(&a_, p.a_dtype, content);
    fill_codes(&b_, p.b_dtype, content);
    fill_scales(&a_scale_, content);
    fill_scales(&b_scale_, content);
    p.a.data = a_.data() + offset;
    p.b.data = b_.data() + offset;
    p.sfa.data = a_scale_.data();
    p.sfb.data = b_scale_.data();
  }

  std::mt19937 random_;
  Problem problem_;
  std::vector<uint8_t> a_;
  std::vector<uint8_t> b_;
  std::vector<float> a_scale_;
  std::vector<float> b_scale_;
  std::optional<group_model::Groups> groups_;
};

}  // namespace cpu_problem
