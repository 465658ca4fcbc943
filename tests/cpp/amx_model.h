// The order of sums of the amx backend, in plain loops.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/group_layout.h"
#include "core/math.h"
#include "core/problem.h"
#include "host/fp8_values.h"
#include "host/output_convert.h"

namespace amx_model {

using ggfp8::Problem;

// The sum of the products of one k-block.
inline float block_sum(const Problem& problem, const uint8_t* a, const uint8_t* b, int64_t num_k) {
  float sum = 0.0f;
  for (int64_t step = 0; step < num_k; step += 32) {
    float parts[2] = {0.0f, 0.0f};
    for (int64_t k = step; k < ggfp8::min_of(step + 32, num_k); ++k) {
      parts[k % 2] +=
          ggfp8::fp8_value(problem.a_dtype, a[k]) * ggfp8::fp8_value(problem.b_dtype, b[k]);
    }
    sum += parts[0] + parts[1];
  }
  return sum;
}

inline float element(const Problem& p, int64_t group, int64_t group_begin, int64_t row,
                     int64_t col) {
  const uint8_t* a = p.a.data + group * p.a.group_stride + row * p.a.row_stride;
  const uint8_t* b = p.b.data + group * p.b.group_stride + col * p.b.row_stride;
  const int64_t m_block = ggfp8::scale_row(row, group_begin, p.granularity_m);
  const float* sfa = p.sfa.data + group * p.sfa.group_stride + m_block * p.sfa.mn_stride;
  const float* sfb =
      p.sfb.data + group * p.sfb.group_stride + col / p.granularity_n * p.sfb.mn_stride;
  float acc = 0.0f;
  for (int64_t block = 0; block < p.num_k_blocks; ++block) {
    const int64_t k = block * p.granularity_k;
    const float sum = block_sum(p, a + k, b + k, ggfp8::min_of<int64_t>(p.granularity_k, p.k - k));
    acc = std::fma(sfa[block * p.sfa.k_stride] * sfb[block * p.sfb.k_stride], sum, acc);
  }
  return acc;
}

inline void compute_reference(const Problem& p) {
  const ggfp8::GroupLayout layout = ggfp8::group_layout_of(p);
  int32_t reached = layout.num_groups == 0 ? 0 : ggfp8::first_reached_row(layout);
  for (int32_t group = 0; group < layout.num_groups; ++group) {
    const ggfp8::GroupRows rows = ggfp8::rows_of_group(layout, reached, group);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      char* out = static_cast<char*>(p.out.data) +
                  (group * p.out.group_stride + row * p.out.row_stride) * size_of(p.out_dtype);
      for (int64_t col = 0; col < p.n; ++col) {
        const float value = element(p, group, rows.begin, row, col);
        ggfp8::store_row(p.out_dtype, &value, 1, out, col);
      }
    }
    reached = rows.reached;
  }
}

}  // namespace amx_model
