// A call with one group of ones in host memory, for tests that look at the call and not at sums.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "groupgemm_fp8/groupgemm_fp8.h"

// Every element of the result is k. The call owns its arrays, to which args points.
struct OneGroupCall {
  static constexpr uint8_t kOne = 0x38;  // as E4M3
  static constexpr float kSentinel = -1.0f;

  std::vector<uint8_t> a, b;
  std::vector<float> scale;
  std::vector<int32_t> m_indptr;
  std::vector<float> out;
  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;

  OneGroupCall(int32_t rows, int32_t n, int32_t k)
      : a(product(rows, k), kOne),
        b(product(n, k), kOne),
        scale(product(std::max(rows, n), k), 1.0f),
        m_indptr({0, rows}),
        out(product(rows, n), kSentinel) {
    args.a = a.data();
    args.b = b.data();
    args.a_scale = args.b_scale = scale.data();
    args.m_indptr = m_indptr.data();
    args.out = out.data();
    args.cum_m = rows;
    args.n = n;
    args.k = k;
    args.batch_size = 1;
    args.out_dtype = GGFP8_DTYPE_FLOAT32;
    args.device_type = GGFP8_DEVICE_CPU;
  }
  OneGroupCall(const OneGroupCall&) = delete;
  OneGroupCall& operator=(const OneGroupCall&) = delete;

  int32_t run() { return ggfp8_group_gemm_nt_groupwise(&args, nullptr, 0, nullptr); }

  bool out_is(float wanted) const {
    return std::all_of(out.begin(), out.end(), [&](float value) { return value == wanted; });
  }

 private:
  static size_t product(int32_t x, int32_t y) {
    return static_cast<size_t>(x) * static_cast<size_t>(y);
  }
};
