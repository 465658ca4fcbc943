// The scale addresses of the sm100 kernels, computed on the host by CUTLASS's own layout functions.
//
// For random ragged problems, of one slab or of a slab for every group, every group's table entry
// is read as CUTLASS reads it, tiled as the collective tiles it, and copied as its 32 loading
// threads copy it, into the shared-memory layout from which the products are scaled. Every scale
// that a row or column gets must be the one of the contract, and no load may lie outside a_scale or
// b_scale.
#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include <cutlass/cutlass.h>
#include <cute/atom/copy_traits_sm80.hpp>
#include <cute/tensor.hpp>
#include <cutlass/detail/blockwise_scale_layout.hpp>

#include "../cpp/check.h"
#include "backends/sm100/sm100_config.h"
#include "backends/sm100/sm100_group_entry.h"
#include "backends/sm100/sm100_scale_layout.cuh"

namespace {

using namespace cute;
using ggfp8::sm100::CuteScaleLayout;
using ggfp8::sm100::ScaleLayout;
using ggfp8::sm100::TableParams;

constexpr int kTile = ggfp8::sm100::kTileM;
static_assert(ggfp8::sm100::kTileN == kTile && ggfp8::sm100::kTileK == kTile);
using CtaShape = Shape<Int<kTile>, Int<kTile>, Int<kTile>>;

// How the collective copies scales whose strides are run-time values: a warp, one scale a thread.
using ScaleCopy = decltype(make_tiled_copy(Copy_Atom<SM80_CP_ASYNC_CACHEALWAYS<float>, float>{},
                                           Layout<Shape<_32>>{}, Layout<Shape<_1>>{}));

// A scale array: entry i holds the value i, so that a value tells its address.
struct ScaleArray {
  std::vector<float> values;

  explicit ScaleArray(int64_t size) : values(static_cast<size_t>(size)) {
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  }
  bool contains(const float* place) const {
    return place >= values.data() && place < values.data() + values.size();
  }
};

// The scales of one tile, one value per row or column: what the loading warp leaves in shared
// memory for tile (mn_tile, k_tile) of a group. Places that no thread loads keep -1.
template <int kGranularity>
std::vector<float> load_tile(const float* scales, const ScaleLayout& entry, const ScaleArray& array,
                             int mn_tile, int k_tile) {
  using Config = cutlass::detail::Sm100BlockwiseScaleConfig<kGranularity, 128, 128, UMMA::Major::K,
                                                            UMMA::Major::K>;
  const auto layout = std::bit_cast<CuteScaleLayout<kGranularity>>(entry);
  const auto smem_layout = Config::smem_atom_layoutSFA(CtaShape{});
  std::vector<float> smem(static_cast<size_t>(cosize(smem_layout)), -1.0f);

  const Tensor source = local_tile(make_tensor(scales, layout), CtaShape{}, make_coord(_, _, _),
                                   Step<_1, Underscore, _1>{});
  const Tensor coords = local_tile(make_identity_tensor(shape(layout)), CtaShape{},
                                   make_coord(_, _, _), Step<_1, Underscore, _1>{});
  const Tensor target = make_tensor(smem.data(), smem_layout);
  for (int thread = 0; thread < 32; ++thread) {
    const auto slice = ScaleCopy{}.get_slice(thread);
    const Tensor from = slice.partition_S(source)(_, _, _, mn_tile, k_tile, 0);
    const Tensor from_coords = slice.partition_S(coords)(_0{}, _, _, mn_tile, k_tile, 0);
    const Tensor to = slice.partition_D(target);
    const Tensor places = filter_zeros(from);
    const Tensor places_to = filter_zeros(to);
    const Tensor first = filter_zeros(from_coords, from(_0{}, _, _).stride());
    CHECK(size(places) == size(first) && size(places) == size(places_to));
    for (int i = 0; i < size(first); ++i) {
      if (!elem_less(first(i), shape(filter_zeros(layout)))) continue;
      if (CHECK(array.contains(&places(i)))) places_to(i) = places(i);
    }
  }

  std::vector<float> rows;
  for (int i = 0; i < kTile; ++i) rows.push_back(target(i, 0));
  return rows;
}

// The problem of a random case, with its arrays' addresses and both majors as strides.
struct Case {
  TableParams params = {};
  std::vector<std::pair<int32_t, int32_t>> groups;  // rows of each, in its slab
  int32_t slab_rows = 0;
  int64_t sfa_size = 0, sfb_size = 0;
};

Case random_case(std::mt19937& random, int granularity_m, bool k_major, bool has_slabs) {
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  Case result;
  const int batch_size = pick(1, 6);
  const int unit = granularity_m;
  int32_t row = has_slabs ? 0 : unit * pick(0, 2);
  for (int group = 0; group < batch_size; ++group) {
    const int rows = pick(0, 3) == 0 ? 0 : pick(1, unit == 1 ? 300 : 4) * unit;
    result.groups.push_back({row, row + rows});
    result.slab_rows = std::max(result.slab_rows, row + rows);
    if (!has_slabs) row += rows;
  }
  result.slab_rows += pick(0, 5) * (pick(0, 1) ? unit : 0);

  TableParams& params = result.params;
  params.n = 8 * pick(1, 80);
  params.k = 16 * pick(1, 70);
  params.granularity_m = granularity_m;
  params.num_n_blocks = (params.n + 127) / 128;
  params.num_k_blocks = (params.k + 127) / 128;
  const int64_t num_m_blocks = (result.slab_rows + unit - 1) / unit;
  const int padding = pick(0, 3);
  if (k_major) {
    params.sfa_m_stride = params.num_k_blocks + padding, params.sfa_k_stride = 1;
    params.sfb_n_stride = params.num_k_blocks + padding, params.sfb_k_stride = 1;
    result.sfa_size = num_m_blocks * params.sfa_m_stride;
    params.sfb_group_stride = params.num_n_blocks * params.sfb_n_stride + padding;
  } else {
    params.sfa_m_stride = 1, params.sfa_k_stride = num_m_blocks + padding;
    params.sfb_n_stride = 1, params.sfb_k_stride = params.num_n_blocks + padding;
    result.sfa_size = params.num_k_blocks * params.sfa_k_stride;
    params.sfb_group_stride = params.num_k_blocks * params.sfb_k_stride + padding;
  }
  result.sfa_size = std::max<int64_t>(result.sfa_size - padding,
                                      0);  // the last row or column of blocks is not padded
  if (has_slabs) {
    params.sfa_slab_stride = result.sfa_size + pick(0, 3);
    result.sfa_size += (batch_size - 1) * params.sfa_slab_stride;
  }
  result.sfb_size = batch_size * params.sfb_group_stride - 2 * padding;
  return result;
}

// One group's table entries, in host memory.
struct Entries {
  ggfp8::sm100::GroupShape shape;
  const uint8_t *a, *b;
  const float *sfa, *sfb;
  uint8_t* out;
  int64_t a_row_stride, b_row_stride, out_row_stride;
  ScaleLayout sfa_layout, sfb_layout;
};

Entries entries_of(TableParams params, int group, int32_t begin, int32_t end) {
  Entries e;
  // The tables' first entry is that of group 0; these arrays hold one entry, for this group.
  params.tables = {&e.shape - group,
                   &e.a - group,
                   &e.b - group,
                   &e.sfa - group,
                   &e.sfb - group,
                   &e.out - group,
                   &e.a_row_stride - group,
                   &e.b_row_stride - group,
                   &e.out_row_stride - group,
                   &e.sfa_layout - group,
                   &e.sfb_layout - group};
  ggfp8::sm100::write_group(params, group, begin, end);
  return e;
}

template <int kGranularityM>
void check_group(const TableParams& params, const Entries& entries, int group, int32_t begin,
                 const ScaleArray& sfa, const ScaleArray& sfb) {
  const int num_rows = entries.shape.m;
  for (int k_tile = 0; k_tile < params.num_k_blocks; ++k_tile) {
    // Row tiles beyond the group's last: a cluster of two CTAs computes one that has no row.
    const int num_m_tiles = (num_rows + kTile - 1) / kTile + 1;
    for (int m_tile = 0; m_tile < num_m_tiles; ++m_tile) {
      const auto rows =
          load_tile<kGranularityM>(entries.sfa, entries.sfa_layout, sfa, m_tile, k_tile);
      for (int i = 0; i < kTile && m_tile * kTile + i < num_rows; ++i) {
        const int64_t m_block = (begin + m_tile * kTile + i) / kGranularityM;
        const int64_t wanted = group * params.sfa_slab_stride + m_block * params.sfa_m_stride +
                               k_tile * params.sfa_k_stride;
        CHECK_EQ(rows[static_cast<size_t>(i)], static_cast<float>(wanted));
      }
    }
    for (int n_tile = 0; n_tile * kTile < params.n; ++n_tile) {
      const auto columns = load_tile<128>(entries.sfb, entries.sfb_layout, sfb, n_tile, k_tile);
      const int64_t wanted = group * params.sfb_group_stride + n_tile * params.sfb_n_stride +
                             k_tile * params.sfb_k_stride;
      for (const float column : columns) CHECK_EQ(column, static_cast<float>(wanted));
    }
  }
}

template <int kGranularityM>
void check_random_cases(std::mt19937& random, bool k_major) {
  for (int i = 0; i < 24; ++i) {
    Case test_case = random_case(random, kGranularityM, k_major, i % 2 == 0);
    const ScaleArray sfa(test_case.sfa_size), sfb(test_case.sfb_size);
    TableParams& params = test_case.params;
    params.sfa = sfa.values.data(), params.sfb = sfb.values.data();
    for (size_t group = 0; group < test_case.groups.size(); ++group) {
      const auto [begin, end] = test_case.groups[group];
      // A group without rows has no tile, and CUTLASS's layout functions divide by its blocks.
      if (begin == end) continue;
      const Entries entries = entries_of(params, static_cast<int>(group), begin, end);
      check_group<kGranularityM>(params, entries, static_cast<int>(group), begin, sfa, sfb);
    }
  }
}

// CUTLASS's layout for one dense problem agrees with a table entry made from the same sizes.
template <int kGranularityM, UMMA::Major kMajor>
void check_against_cutlass_layout() {
  using Config =
      cutlass::detail::Sm100BlockwiseScaleConfig<kGranularityM, 128, 128, kMajor, kMajor>;
  constexpr bool kMnMajor = kMajor == UMMA::Major::MN;
  for (const auto& [m, n, k] : {std::array{1, 8, 16}, {200, 136, 272}, {384, 640, 1024}}) {
    const auto sfa = Config::tile_atom_to_shape_SFA(make_shape(m, n, k, 1));
    const auto sfb = Config::tile_atom_to_shape_SFB(make_shape(m, n, k, 1));
    const int m_blocks = (m + kGranularityM - 1) / kGranularityM;
    const int n_blocks = (n + 127) / 128, k_blocks = (k + 127) / 128;
    const auto ours_a = std::bit_cast<CuteScaleLayout<kGranularityM>>(
        ScaleLayout{m_blocks, k_blocks, 1, 0, kMnMajor ? 1 : k_blocks, kMnMajor ? m_blocks : 1});
    const auto ours_b = std::bit_cast<CuteScaleLayout<128>>(
        ScaleLayout{n_blocks, k_blocks, 1, 0, kMnMajor ? 1 : k_blocks, kMnMajor ? n_blocks : 1});
    CHECK(shape(sfa) == shape(ours_a) && shape(sfb) == shape(ours_b));
    for (int j = 0; j < k; j += 16) {
      for (int i = 0; i < m; ++i) CHECK(sfa(i, j, 0) == ours_a(i, j, 0));
      for (int i = 0; i < n; ++i) CHECK(sfb(i, j, 0) == ours_b(i, j, 0));
    }
  }
}

}  // namespace

int main() {
  std::mt19937 random(20);
  for (const bool k_major : {false, true}) {
    check_random_cases<1>(random, k_major);
    check_random_cases<128>(random, k_major);
  }
  check_against_cutlass_layout<1, UMMA::Major::MN>();
  check_against_cutlass_layout<1, UMMA::Major::K>();
  check_against_cutlass_layout<128, UMMA::Major::MN>();
  check_against_cutlass_layout<128, UMMA::Major::K>();
  return check::report();
}
