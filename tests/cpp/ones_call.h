// Calls in host memory whose results are easy to say: a product of ones, and ones quantised.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "groupgemm_fp8/groupgemm_fp8.h"
#include "groupgemm_fp8/moe.h"

inline size_t count_of(int64_t x, int64_t y) {
  return static_cast<size_t>(x * y);
}

// A product of ones. Row r of a group is k times the scale of row r. The call owns its arrays, to
// which args points; tests may change both.
struct OnesCall {
  static constexpr uint8_t kOne = 0x38;  // as E4M3
  static constexpr float kSentinel = -77.0f;

  std::vector<uint8_t> a, b;
  std::vector<float> a_scale, b_scale;
  std::vector<int32_t> m_indptr;
  std::vector<float> out;
  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;

  OnesCall(int64_t rows, int64_t n, int64_t k, std::vector<int32_t> bounds)
      : a(count_of(rows, k), kOne),
        b(count_of(num_groups(bounds), n * k), kOne),
        a_scale(count_of(rows, num_blocks(k)), 1.0f),
        b_scale(count_of(num_groups(bounds), num_blocks(n) * num_blocks(k)), 1.0f),
        m_indptr(std::move(bounds)),
        out(count_of(rows, n), kSentinel) {
    args.a = a.data();
    args.b = b.data();
    args.a_scale = a_scale.data();
    args.b_scale = b_scale.data();
    args.m_indptr = m_indptr.data();
    args.out = out.data();
    args.cum_m = rows;
    args.n = n;
    args.k = k;
    args.batch_size = num_groups(m_indptr);
    args.out_dtype = GGFP8_DTYPE_FLOAT32;
    args.device_type = GGFP8_DEVICE_CPU;
  }

  // One group of all rows.
  OnesCall(int32_t rows, int64_t n, int64_t k) : OnesCall(rows, n, k, {0, rows}) {}

  OnesCall(const OnesCall&) = delete;
  OnesCall& operator=(const OnesCall&) = delete;

  // Makes r + 1 the scale of row r.
  void number_rows() {
    for (size_t i = 0; i < a_scale.size(); ++i) {
      a_scale[i] = static_cast<float>(static_cast<int64_t>(i) % args.cum_m + 1);
    }
  }

  int32_t run() { return ggfp8_group_gemm_nt_groupwise(&args, nullptr, 0, nullptr); }

  bool out_is_right() const {
    for (size_t i = 0; i < out.size(); ++i) {
      const auto row = static_cast<int64_t>(i) / args.n;
      const bool covered = row >= m_indptr.front() && row < m_indptr.back();
      const float wanted = static_cast<float>(args.k) * a_scale[static_cast<size_t>(row)];
      if (out[i] != (covered ? wanted : kSentinel)) return false;
    }
    return true;
  }

  bool out_is_untouched() const {
    return std::all_of(out.begin(), out.end(), [](float value) { return value == kSentinel; });
  }

 private:
  static int64_t num_groups(const std::vector<int32_t>& bounds) {
    return static_cast<int64_t>(bounds.size()) - 1;
  }

  static int64_t num_blocks(int64_t size) { return (size + 127) / 128; }
};

// Ones quantised in blocks of 1 x 128. Every code is the largest finite value.
struct OnesQuantization {
  static constexpr uint8_t kLargest = 0x7E;

  std::vector<float> x;
  std::vector<uint8_t> out;
  std::vector<float> scale;
  ggfp8_quantize_groupwise_args args = GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT;

  OnesQuantization(int64_t rows, int64_t k)
      : x(count_of(rows, k), 1.0f), out(count_of(rows, k)), scale(count_of(rows, k / 128)) {
    args.x = x.data();
    args.out = out.data();
    args.scale = scale.data();
    args.rows = rows;
    args.k = k;
    args.x_dtype = GGFP8_DTYPE_FLOAT32;
    args.device_type = GGFP8_DEVICE_CPU;
  }

  OnesQuantization(const OnesQuantization&) = delete;
  OnesQuantization& operator=(const OnesQuantization&) = delete;

  int32_t run() { return ggfp8_quantize_groupwise(&args, nullptr); }

  bool out_is_right() const {
    return std::all_of(out.begin(), out.end(), [](uint8_t code) { return code == kLargest; });
  }
};
