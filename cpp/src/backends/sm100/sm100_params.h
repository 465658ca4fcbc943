// The parameters of the table kernel and the per-group tables that it fills for the GEMM kernel.
//
// The entries have the bytes of CUTLASS's own types (asserted in sm100_scale_layout.cuh and
// sm100_gemm.cu), so that host code, tests and the table kernel need no CUTLASS header.
#pragma once

#include <cstdint>

#include "core/group_schedule.h"
#include "core/problem.h"

namespace ggfp8::sm100 {

// Rows, columns and k of one group.
struct GroupShape {
  int32_t m;
  int32_t n;
  int32_t k;

  constexpr bool operator==(const GroupShape&) const = default;
};

// Scale blocks of one group: their counts along rows (or columns) and along k, and the strides
// between them in elements. Offset of block (mn, k): mn * mn_stride + k * k_stride.
struct ScaleLayout {
  int32_t num_mn_blocks;
  int32_t num_k_blocks;
  int32_t num_matrices;  // always 1
  int32_t padding;       // always 0
  int64_t mn_stride;
  int64_t k_stride;

  constexpr bool operator==(const ScaleLayout&) const = default;
};

// One array per member, batch_size entries each, in device memory.
struct GroupTables {
  GroupShape* shapes;
  const uint8_t** a;
  const uint8_t** b;
  const float** sfa;
  const float** sfb;
  uint8_t** out;
  int64_t* a_row_strides;
  int64_t* b_row_strides;
  int64_t* out_row_strides;
  ScaleLayout* sfa_layouts;
  ScaleLayout* sfb_layouts;
};

struct TableParams {
  GroupSchedule schedule;  // its chunks are those of kNumTableThreads threads
  GroupTables tables;
  const uint8_t* a;
  const uint8_t* b;
  const float* sfa;
  const float* sfb;
  uint8_t* out;
  int64_t a_row_stride;
  int64_t a_slab_stride;
  int64_t b_row_stride;
  int64_t b_group_stride;
  int64_t out_row_stride;
  int64_t out_slab_stride;
  int64_t sfa_m_stride;
  int64_t sfa_k_stride;
  int64_t sfa_slab_stride;
  int64_t sfb_n_stride;
  int64_t sfb_k_stride;
  int64_t sfb_group_stride;
  int32_t n;
  int32_t k;
  int32_t num_n_blocks;
  int32_t num_k_blocks;
  int32_t granularity_m;
  int32_t out_element_bytes;
};

// The table kernel is one CTA: each thread prepares a run of groups.
constexpr int kNumTableThreads = 256;

// The params of a validated problem whose tables lie at `workspace`.
TableParams make_table_params(const Problem& problem, void* workspace);

}  // namespace ggfp8::sm100
