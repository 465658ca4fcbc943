// Random problems for tests of the cpu backend, with all their arrays. A case owns its memory;
// every buffer has guard bytes around it and a base address that is as unaligned as the contract
// allows. `out` is filled with a sentinel, so comparing whole buffers also checks what must not be
// written.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "core/math.h"
#include "core/problem.h"

namespace cpu_problem {

using ggfp8::Dtype;
using ggfp8::Problem;

enum class Content { kFinite, kRareSpecials, kAnyBits };
enum class Rows { kRagged, kHostile };

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
    choose_layout();
    fill_arrays();
    fill_m_indptr(uniform(0, 3) == 0 ? Rows::kHostile : Rows::kRagged);
  }

  // The problem with a fresh sentinel-filled output buffer, which *out owns.
  Problem with_output(std::vector<uint8_t>* out) const {
    const int64_t element_bytes = ggfp8::size_of(problem_.out_dtype);
    const int64_t bytes = problem_.cum_m * problem_.out_row_stride * element_bytes;
    out->assign(static_cast<size_t>(2 * kGuardBytes + bytes), 0xA5);
    Problem problem = problem_;
    problem.out = out->data() + kGuardBytes + (element_bytes == 2 ? 2 : 4);
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
    p.a_scale_major = one_of({ggfp8::ScaleMajor::kMn, ggfp8::ScaleMajor::kK});
    p.b_scale_major = one_of({ggfp8::ScaleMajor::kMn, ggfp8::ScaleMajor::kK});
  }

  void choose_layout() {
    Problem& p = problem_;
    p.num_m_blocks = ggfp8::ceil_div<int64_t>(p.cum_m, p.granularity_m);
    p.num_n_blocks = ggfp8::ceil_div<int64_t>(p.n, p.granularity_n);
    p.num_k_blocks = ggfp8::ceil_div<int64_t>(p.k, p.granularity_k);
    p.a_row_stride = p.k + 16 * uniform(0, 2);
    p.b_row_stride = p.k + 16 * uniform(0, 2);
    p.b_group_stride = p.n * p.b_row_stride + 16 * uniform(0, 2);
    p.out_row_stride = p.n + uniform(0, 5);
    const bool a_mn = p.a_scale_major == ggfp8::ScaleMajor::kMn;
    const bool b_mn = p.b_scale_major == ggfp8::ScaleMajor::kMn;
    const int64_t a_pitch = (a_mn ? p.num_m_blocks : p.num_k_blocks) + uniform(0, 3);
    const int64_t b_pitch = (b_mn ? p.num_n_blocks : p.num_k_blocks) + uniform(0, 3);
    p.a_scale_m_stride = a_mn ? 1 : a_pitch;
    p.a_scale_k_stride = a_mn ? a_pitch : 1;
    p.b_scale_n_stride = b_mn ? 1 : b_pitch;
    p.b_scale_k_stride = b_mn ? b_pitch : 1;
    p.b_scale_group_stride = (b_mn ? p.num_k_blocks : p.num_n_blocks) * b_pitch + uniform(0, 3);
    const int64_t a_scale_size = (a_mn ? p.num_k_blocks : p.num_m_blocks) * a_pitch;
    a_scale_.resize(static_cast<size_t>(a_scale_size));
    b_scale_.resize(static_cast<size_t>(p.batch_size * p.b_scale_group_stride));
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
    a_.resize(static_cast<size_t>(offset + p.cum_m * p.a_row_stride));
    b_.resize(static_cast<size_t>(offset + p.batch_size * p.b_group_stride));
    fill_codes(&a_, p.a_dtype, content);
    fill_codes(&b_, p.b_dtype, content);
    fill_scales(&a_scale_, content);
    fill_scales(&b_scale_, content);
    p.a = a_.data() + offset;
    p.b = b_.data() + offset;
    p.a_scale = a_scale_.data();
    p.b_scale = b_scale_.data();
  }

  void fill_m_indptr(Rows rows) {
    const int64_t unit = problem_.granularity_m;
    m_indptr_.resize(static_cast<size_t>(problem_.batch_size + 1));
    int64_t previous = one_of({int64_t{0}, uniform(0, problem_.cum_m / unit)});
    for (int32_t& entry : m_indptr_) {
      entry = static_cast<int32_t>(previous * unit);
      const int64_t left = problem_.cum_m / unit - previous;
      previous += one_of({int64_t{0}, left / 3, left, uniform(0, left)});
      if (rows == Rows::kHostile && uniform(0, 1) == 0) {
        entry = one_of({static_cast<int32_t>(random_()), INT32_MIN, INT32_MAX, -1,
                        static_cast<int32_t>(uniform(0, 2 * problem_.cum_m))});
      }
    }
    problem_.m_indptr = m_indptr_.data();
  }

  std::mt19937 random_;
  Problem problem_;
  std::vector<uint8_t> a_;
  std::vector<uint8_t> b_;
  std::vector<float> a_scale_;
  std::vector<float> b_scale_;
  std::vector<int32_t> m_indptr_;
};

}  // namespace cpu_problem
