// The table entries of groups, for host and device: the table kernel writes them with one thread
// per chunk of groups, tests write them serially.
#pragma once

#include <cstdint>

#include "backends/sm100/sm100_params.h"
#include "core/group_layout.h"
#include "core/group_schedule.h"
#include "core/math.h"

namespace ggfp8::sm100 {

// Fills the entries of one group with rows [row_begin, row_end) of its slab.
//
// NOTE: scale blocks of a group are counted from its own rows. With the rows of all groups as the
// shape, the last row tile of a group near the end would read past a_scale.
GGFP8_HOST_DEVICE inline void write_group(const TableParams& params, int32_t group_idx,
                                          int32_t row_begin, int32_t row_end) {
  const GroupTables& tables = params.tables;
  const int64_t row = row_begin;
  const int32_t num_rows = row_end - row_begin;
  const int64_t m_block = scale_row(row_begin, row_begin, params.granularity_m);
  tables.shapes[group_idx] = {num_rows, params.n, params.k};
  tables.a[group_idx] = params.a + group_idx * params.a_slab_stride + row * params.a_row_stride;
  tables.b[group_idx] = params.b + group_idx * params.b_group_stride;
  tables.sfa[group_idx] =
      params.sfa + group_idx * params.sfa_slab_stride + m_block * params.sfa_m_stride;
  tables.sfb[group_idx] = params.sfb + group_idx * params.sfb_group_stride;
  tables.out[group_idx] =
      params.out +
      (group_idx * params.out_slab_stride + row * params.out_row_stride) * params.out_element_bytes;
  tables.a_row_strides[group_idx] = params.a_row_stride;
  tables.b_row_strides[group_idx] = params.b_row_stride;
  tables.out_row_strides[group_idx] = params.out_row_stride;
  tables.sfa_layouts[group_idx] = {ceil_div(num_rows, params.granularity_m),
                                   params.num_k_blocks,
                                   1,
                                   0,
                                   params.sfa_m_stride,
                                   params.sfa_k_stride};
  tables.sfb_layouts[group_idx] = {params.num_n_blocks, params.num_k_blocks, 1, 0,
                                   params.sfb_n_stride, params.sfb_k_stride};
}

// Fills the entries of a chunk's groups, given the row reached before it.
GGFP8_HOST_DEVICE inline void write_chunk(const TableParams& params, int32_t chunk_idx,
                                          int32_t reached_row) {
  const GroupSchedule& schedule = params.schedule;
  const ChunkGroups groups = groups_of_chunk(schedule, chunk_idx);
  GGFP8_NO_UNROLL for (int32_t group_idx = groups.first; group_idx < groups.last; ++group_idx) {
    const GroupRows rows = rows_of_group(schedule.layout, reached_row, group_idx);
    write_group(params, group_idx, rows.begin, rows.end);
    reached_row = rows.reached;
  }
}

}  // namespace ggfp8::sm100
