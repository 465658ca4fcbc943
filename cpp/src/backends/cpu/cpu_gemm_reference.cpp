#include "backends/cpu/cpu_gemm_reference.h"

#include <cmath>

#include "core/group_layout.h"
#include "core/math.h"
#include "host/fp8_values.h"
#include "host/output_convert.h"

namespace ggfp8 {
namespace {

const std::array<float, 256>& values_of(Dtype dtype) noexcept {
  return dtype == Dtype::kFloat8E4M3 ? kFp8Values<Dtype::kFloat8E4M3>
                                     : kFp8Values<Dtype::kFloat8E5M2>;
}

float element(const Problem& problem, int64_t group, int64_t group_begin, int64_t row,
              int64_t col) noexcept {
  const auto* a = problem.a.data + group * problem.a.group_stride + row * problem.a.row_stride;
  const auto* b = problem.b.data + group * problem.b.group_stride + col * problem.b.row_stride;
  const int64_t m_block = scale_row(row, group_begin, problem.granularity_m);
  const auto& a_values = values_of(problem.a_dtype);
  const auto& b_values = values_of(problem.b_dtype);
  const int64_t n_block = col / problem.granularity_n;
  float acc = 0.0f;
  for (int64_t k_block = 0; k_block < problem.num_k_blocks; ++k_block) {
    const int64_t k_begin = k_block * problem.granularity_k;
    const int64_t k_end = min_of(k_begin + problem.granularity_k, problem.k);
    float sum = 0.0f;
    for (int64_t k = k_begin; k < k_end; ++k) {
      sum += a_values[a[k]] * b_values[b[k]];
    }
    const float sfa =
        problem.sfa.data[group * problem.sfa.group_stride + m_block * problem.sfa.mn_stride +
                         k_block * problem.sfa.k_stride];
    const float sfb =
        problem.sfb.data[group * problem.sfb.group_stride + n_block * problem.sfb.mn_stride +
                         k_block * problem.sfb.k_stride];
    acc = std::fma(sfa * sfb, sum, acc);
  }
  return acc;
}

}  // namespace

void compute_reference(const Problem& problem) noexcept {
  const GroupLayout layout = group_layout_of(problem);
  int32_t reached = layout.num_groups == 0 ? 0 : first_reached_row(layout);
  for (int32_t group = 0; group < layout.num_groups; ++group) {
    const GroupRows rows = rows_of_group(layout, reached, group);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      char* out = static_cast<char*>(problem.out.data) +
                  (group * problem.out.group_stride + row * problem.out.row_stride) *
                      size_of(problem.out_dtype);
      for (int64_t col = 0; col < problem.n; ++col) {
        const float value = element(problem, group, rows.begin, row, col);
        store_row(problem.out_dtype, &value, 1, out, col);
      }
    }
    reached = rows.reached;
  }
}

}  // namespace ggfp8
