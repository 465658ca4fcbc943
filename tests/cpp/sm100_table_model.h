// Computes what the sm100 tables of a random problem must hold, for groups of every layout. The
// tests on the host and on a GPU fill tables in different ways and compare them with this model.
#pragma once

#include <cstdint>
#include <random>

#include "backends/sm100/sm100_params.h"
#include "core/problem.h"
#include "group_model.h"

namespace sm100_table_model {

using ggfp8::Problem;
using ggfp8::sm100::GroupTables;
using ggfp8::sm100::ScaleLayout;
using group_model::Groups;

// Addresses are made up: tables are computed from them, and none of these arrays is read.
template <class Random>
Problem random_problem(Random& random, const Groups& groups, int32_t granularity_m) {
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  const auto address = [&] { return static_cast<uintptr_t>(pick(1, 1 << 20)) << 20; };
  Problem p;
  const bool has_slabs = groups.kind == ggfp8::GroupKind::kMasked;
  p.batch_size = groups.num_groups();
  p.cum_m = groups.num_rows * (has_slabs ? p.batch_size : 1);
  p.group_kind = groups.kind;
  p.groups = groups.data();
  p.groups_are_int64 = groups.is_int64;
  p.group_alignment = groups.alignment;
  p.n = 8 * pick(1, 1000), p.k = 16 * pick(1, 1000);
  p.granularity_m = granularity_m;
  p.out_dtype = pick(0, 1) ? ggfp8::Dtype::kBFloat16 : ggfp8::Dtype::kFloat32;
  p.num_n_blocks = (p.n + 127) / 128;
  p.num_k_blocks = (p.k + 127) / 128;
  p.a.data = reinterpret_cast<uint8_t*>(address());
  p.b.data = reinterpret_cast<uint8_t*>(address());
  p.out.data = reinterpret_cast<void*>(address());
  p.sfa.data = reinterpret_cast<float*>(address());
  p.sfb.data = reinterpret_cast<float*>(address());
  p.a.row_stride = p.k + 16 * pick(0, 3);
  p.b.row_stride = p.k + 16 * pick(0, 3);
  p.b.group_stride = p.n * p.b.row_stride + 16 * pick(0, 3);
  p.out.row_stride = p.n + 8 * pick(0, 3);
  p.sfa.mn_stride = pick(1, 5), p.sfa.k_stride = pick(1, int64_t{1} << 33);
  p.sfb.mn_stride = pick(1, 5), p.sfb.k_stride = pick(1, 1000);
  p.sfb.group_stride = pick(1, int64_t{1} << 33);
  if (has_slabs) {
    p.a.group_stride = 16 * pick(0, int64_t{1} << 30);
    p.out.group_stride = pick(1, int64_t{1} << 33);
    p.sfa.group_stride = pick(1, int64_t{1} << 33);
  }
  return p;
}

// Whether the entries of group g are right; at(array) is entry g of a table. Where a group has no
// rows, its pointers to rows are never used.
template <class At>
bool entries_are_right(const Problem& p, int64_t g, const group_model::Rows& rows,
                       const GroupTables& tables, const At& at) {
  const auto is_at = [](const auto* pointer, const void* base, int64_t bytes) {
    return reinterpret_cast<uintptr_t>(pointer) ==
           reinterpret_cast<uintptr_t>(base) + static_cast<uintptr_t>(bytes);
  };
  const auto shape = at(tables.shapes);
  bool ok = shape.m == rows.count() && shape.n == p.n && shape.k == p.k;
  if (rows.count() > 0) {
    const int64_t first_scale = rows.begin / p.granularity_m * p.sfa.mn_stride;
    const int64_t out = g * p.out.group_stride + rows.begin * p.out.row_stride;
    ok &= is_at(at(tables.a), p.a.data, g * p.a.group_stride + rows.begin * p.a.row_stride);
    ok &= is_at(at(tables.out), p.out.data, out * ggfp8::size_of(p.out_dtype));
    ok &= is_at(at(tables.sfa), p.sfa.data, (g * p.sfa.group_stride + first_scale) * 4);
  }
  ok &= is_at(at(tables.b), p.b.data, g * p.b.group_stride);
  ok &= is_at(at(tables.sfb), p.sfb.data, g * p.sfb.group_stride * 4);
  ok &= at(tables.a_row_strides) == p.a.row_stride;
  ok &= at(tables.b_row_strides) == p.b.row_stride;
  ok &= at(tables.out_row_strides) == p.out.row_stride;
  const auto num_k_blocks = static_cast<int32_t>(p.num_k_blocks);
  const auto num_m_blocks =
      static_cast<int32_t>((rows.count() + p.granularity_m - 1) / p.granularity_m);
  const auto num_n_blocks = static_cast<int32_t>(p.num_n_blocks);
  ok &= at(tables.sfa_layouts) ==
        ScaleLayout{num_m_blocks, num_k_blocks, 1, 0, p.sfa.mn_stride, p.sfa.k_stride};
  ok &= at(tables.sfb_layouts) ==
        ScaleLayout{num_n_blocks, num_k_blocks, 1, 0, p.sfb.mn_stride, p.sfb.k_stride};
  return ok;
}

}  // namespace sm100_table_model
