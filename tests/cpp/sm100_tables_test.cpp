// The host side of the sm100 backend: the place of its tables in the workspace, the params of the
// table kernel, the tables of groups of every layout, and the correction of tensor maps.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "backends/sm100/sm100_config.h"
#include "backends/sm100/sm100_group_entry.h"
#include "backends/sm100/sm100_heuristics.h"
#include "backends/sm100/sm100_tensor_map.h"
#include "check.h"
#include "sm100_table_model.h"

namespace {

using ggfp8::sm100::GroupTables;
using ggfp8::sm100::TableLayout;

struct Extent {
  const char* begin;
  const char* end;
};

template <class Entry>
Extent extent_of(const Entry* array, int64_t count) {
  return {reinterpret_cast<const char*>(array), reinterpret_cast<const char*>(array + count)};
}

// Tables are aligned, in bounds and apart, and their size is the same with and without memory.
void check_layout() {
  for (const int64_t count : {1, 2, 31, 32, 33, 1000}) {
    const size_t bytes = ggfp8::sm100::lay_out_tables(count, nullptr).bytes;
    std::vector<char> memory(bytes + 256);
    char* base = memory.data();
    while (reinterpret_cast<uintptr_t>(base) % 256 != 0) ++base;
    const TableLayout layout = ggfp8::sm100::lay_out_tables(count, base);
    CHECK_EQ(layout.bytes, bytes);
    const GroupTables& t = layout.tables;
    std::array extents = {extent_of(t.shapes, count),
                          extent_of(t.a, count),
                          extent_of(t.b, count),
                          extent_of(t.sfa, count),
                          extent_of(t.sfb, count),
                          extent_of(t.out, count),
                          extent_of(t.a_row_strides, count),
                          extent_of(t.b_row_strides, count),
                          extent_of(t.sfa_layouts, count),
                          extent_of(t.sfb_layouts, count),
                          extent_of(t.out_row_strides, count)};
    std::sort(extents.begin(), extents.end(),
              [](const Extent& x, const Extent& y) { return x.begin < y.begin; });
    const char* end = base;
    for (const Extent& extent : extents) {
      CHECK(extent.begin >= end && (extent.begin - base) % 128 == 0);
      end = extent.end;
    }
    CHECK(end <= base + bytes);
  }
}

// Both scale majors arrive as strides, sizes as they are, the element size of the output.
void check_params() {
  ggfp8::Problem problem;
  problem.cum_m = 777, problem.n = 1000, problem.k = 336, problem.batch_size = 1000;
  problem.a.row_stride = 352, problem.b.row_stride = 368, problem.b.group_stride = 400000;
  problem.out.row_stride = 1008, problem.out_dtype = ggfp8::Dtype::kFloat32;
  problem.sfa.mn_stride = 3, problem.sfa.k_stride = 1;
  problem.sfb.mn_stride = 5, problem.sfb.k_stride = 2, problem.sfb.group_stride = 50;
  problem.num_n_blocks = 8, problem.num_k_blocks = 3, problem.granularity_m = 128;
  const auto params = ggfp8::sm100::make_table_params(problem, nullptr);
  CHECK(params.n == 1000 && params.k == 336);
  CHECK(params.num_n_blocks == 8 && params.num_k_blocks == 3 && params.granularity_m == 128);
  CHECK(params.a_row_stride == 352 && params.b_row_stride == 368);
  CHECK(params.b_group_stride == 400000 && params.out_row_stride == 1008);
  CHECK(params.sfa_m_stride == 3 && params.sfa_k_stride == 1);
  CHECK(params.sfb_n_stride == 5 && params.sfb_k_stride == 2 && params.sfb_group_stride == 50);
  CHECK_EQ(params.out_element_bytes, 4);
  CHECK_EQ(params.schedule.layout.num_rows, 777);
  const int32_t covered = params.schedule.groups_per_chunk * ggfp8::sm100::kNumTableThreads;
  CHECK(covered >= 1000);
}

// Does what the table kernel does, chunk after chunk.
void fill_tables(const ggfp8::sm100::TableParams& params) {
  const ggfp8::GroupSchedule& schedule = params.schedule;
  int32_t gain = 0;
  for (int32_t chunk = 0; chunk < ggfp8::sm100::kNumTableThreads; ++chunk) {
    const int32_t first = ggfp8::first_reached_row(schedule.layout);
    ggfp8::sm100::write_chunk(params, chunk, ggfp8::combine_gains(schedule.layout, first, gain));
    gain = ggfp8::combine_gains(schedule.layout, gain, ggfp8::chunk_gain(schedule, chunk));
  }
}

void check_tables() {
  std::mt19937_64 random(9);
  for (const int64_t num_groups : {1, 3, 256, 257, 1000}) {
    for (const int64_t num_rows : {int64_t{1}, int64_t{5000}, int64_t{2147483520}}) {
      for (int i = 0; i < 48; ++i) {
        const int32_t unit = i % 8 < 4 ? 1 : 128;
        const group_model::Groups groups = group_model::random_groups(
            random, group_model::kKinds[i % 4], num_groups, num_rows, unit);
        std::vector<char> memory(ggfp8::sm100::lay_out_tables(num_groups, nullptr).bytes);
        const auto problem = sm100_table_model::random_problem(random, groups, unit);
        const auto params = ggfp8::sm100::make_table_params(problem, memory.data());
        fill_tables(params);
        const auto rows = group_model::rows_of(groups);
        bool ok = true;
        for (size_t g = 0; g < rows.size(); ++g) {
          const auto at = [&](const auto* array) { return array[g]; };
          ok = ok && sm100_table_model::entries_are_right(problem, static_cast<int64_t>(g), rows[g],
                                                          params.tables, at);
        }
        if (!CHECK(ok)) return group_model::print(groups);
      }
    }
  }
}

// Bit 21 of the second 64-bit word is bit 5 of byte 10. It is cleared, and no other bit changes.
void check_tensor_map_bit() {
  for (const int fill : {0x00, 0xFF, 0x5A, 0xA5}) {
    std::array<unsigned char, ggfp8::sm100::kTensorMapBytes> map, wanted;
    std::memset(map.data(), fill, map.size());
    wanted = map;
    wanted[10] = static_cast<unsigned char>(wanted[10] & ~0x20);
    ggfp8::sm100::clear_large_tensor_bit(map.data());
    CHECK(map == wanted);
  }
  std::array<unsigned char, ggfp8::sm100::kTensorMapBytes> map = {};
  CHECK(!ggfp8::sm100::is_encoded(map.data()));
  map.back() = 1;
  CHECK(ggfp8::sm100::is_encoded(map.data()));
}

}  // namespace

int main() {
  check_layout();
  check_params();
  check_tables();
  check_tensor_map_bit();
  return check::report();
}
