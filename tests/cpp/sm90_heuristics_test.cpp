// backends/sm90/sm90_heuristics.h: the tile shape and number of CTAs for a table of problems on an
// H200, the limits of each instance, and what the kernel works out for itself: which part of a
// group a tile is, and who computes it.
#include "backends/sm90/sm90_heuristics.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "backends/sm90/sm90_config.h"
#include "backends/sm90/sm90_last_wave.h"
#include "backends/sm90/sm90_rasterization.h"
#include "backends/sm90/sm90_shared_storage.h"
#include "check.h"

namespace {

using ggfp8::sm90::Choice;
using ggfp8::sm90::Config;

struct Case {
  int64_t cum_m, n, num_k_blocks, batch_size;
  const char* shape;
  int num_ctas;
};

constexpr const char* k32x128 = "32x128";
constexpr const char* k192x128 = "192x128 cluster 2 multicast a";
constexpr const char* k128x192 = "128x192 cluster 2 multicast b";
constexpr const char* k128x128 = "128x128";
constexpr const char* k64x64 = "64x64";
constexpr const char* k64x32 = "64x32";
constexpr const char* k64x16 = "64x16";
constexpr const char* k128x96 = "128x96 narrowed";

// Calls of many tiles: few rows of many groups take 128x128, which swaps operands for groups of few
// rows and is fast where one group has all of them; groups of 129 to 192 rows take 192x128, and
// groups of 288, whose second row tile of 192x128 has half of the rows.
constexpr Case kManyTiles[] = {
    {16 * 32, 4096, 8, 32, k128x128, 132},     {16 * 32, 4096, 12, 32, k128x128, 132},
    {16 * 32, 4096, 56, 32, k128x128, 132},    {4096, 4096, 56, 256, k128x192, 132},
    {63 * 32, 4096, 56, 32, k128x128, 132},    {64 * 32, 4096, 56, 32, k128x128, 132},
    {128 * 32, 4096, 56, 32, k128x192, 132},   {128 * 64, 2048, 16, 64, k128x192, 132},
    {192 * 32, 4096, 56, 32, k192x128, 132},   {193 * 64, 4096, 56, 64, k128x192, 132},
    {288 * 16, 4096, 56, 16, k192x128, 132},   {640 * 16, 4096, 56, 16, k128x192, 132},
    {512 * 128, 1536, 16, 128, k128x192, 132}, {1024 * 32, 4096, 56, 32, k128x192, 132},
    {4096 * 8, 4096, 56, 8, k128x192, 132},    {8192, 8192, 64, 1, k128x192, 132},
    {4827, 3072, 24, 1, k128x192, 132},
};

// Calls of few tiles take small blocks, so that more SMs have one.
constexpr Case kFewTiles[] = {
    {1, 8, 1, 1, k64x16, 1},
    {16, 4096, 56, 1, k64x32, 128},
    {8 * 8, 7168, 16, 8, k64x64, 132},
    {33, 4096, 1, 1, k64x32, 128},
    {65, 128, 1, 1, k64x16, 16},
    {128 * 2, 7168, 16, 2, k128x128, 132},
    {128 * 8, 4096, 56, 8, k128x128, 132},
    {128 * 8, 7168, 16, 8, k128x192, 132},
    {128 * 4, 7168, 16, 4, k128x128, 132},
    {129, 192, 1, 1, k64x16, 36},
    {384, 256, 1, 1, k64x16, 112},
    {15, 512, 56, 2, k64x16, 64},
    {253, 1024, 16, 2, k64x32, 132},
    {20, 1536, 16, 5, k64x32, 132},
    {91, 4096, 56, 2, k64x64, 132},
    {9, 512, 56, 45, k64x16, 132},
    {1337, 1536, 40, 1, k128x128, 132},
    {1743, 704, 16, 2, k128x96, 120},
    {8, 7168, 16, 8, k64x64, 132},
    {60, 2048, 3, 216, k192x128, 132},  // other shapes would keep too few groups in registers
    {1, 7168, 2, 1, k32x128, 56},
};

void check_table(std::span<const Case> cases) {
  ggfp8::DeviceInfo device;
  device.num_processors = 132;
  for (const Case& test_case : cases) {
    ggfp8::Problem problem;
    problem.cum_m = test_case.cum_m;
    problem.n = test_case.n;
    problem.k = test_case.num_k_blocks * 128;
    problem.num_k_blocks = test_case.num_k_blocks;
    problem.batch_size = test_case.batch_size;
    const Choice choice = ggfp8::sm90::choose(problem, device);
    const char* shape = ggfp8::sm90::kTileShapes[static_cast<size_t>(choice.tiling.shape_idx)].name;
    if (!CHECK(std::strcmp(shape, test_case.shape) == 0) ||
        !CHECK_EQ(choice.num_ctas, test_case.num_ctas)) {
      std::cerr << "  case " << &test_case - cases.data() << ": " << shape << "\n";
    }
  }
}

// Two scale blocks of 64 k are one k-block, which cannot be both the first and the last.
void check_tma_store_of_scale_blocks() {
  ggfp8::Problem problem;
  problem.n = problem.out.row_stride = 4096;
  problem.granularity_k = 64;
  for (const auto& [k, is_stored_by_tma] : {std::pair{64, false}, {128, false}, {144, true}}) {
    problem.k = k, problem.num_k_blocks = ggfp8::ceil_div(k, 64);
    for (const auto& shape : ggfp8::sm90::kTileShapes) {
      CHECK_EQ(ggfp8::sm90::can_store_by_tma(problem, shape), shape.tma_store && is_stored_by_tma);
    }
  }
}

// Rows have the same shape whether they follow one another or lie in slabs of any size.
void check_same_shape_in_slabs() {
  ggfp8::DeviceInfo device;
  device.num_processors = 132;
  device.compute_major = 9;
  for (const int64_t batch_size : {1, 8, 32, 128}) {
    for (const int64_t rows : {1, 16, 64, 129, 192, 256, 1024}) {
      for (const auto& [n, k] : {std::pair{4096, 7168}, {7168, 2048}, {1536, 2048}}) {
        ggfp8::Problem problem;
        problem.batch_size = batch_size;
        problem.cum_m = batch_size * rows;
        problem.n = n, problem.k = k, problem.num_k_blocks = k / 128;
        const int packed = ggfp8::sm90::choose(problem, device).tiling.shape_idx;
        problem.group_kind = ggfp8::GroupKind::kMasked;
        problem.expected_m = rows;
        for (const int64_t slab : {rows, rows + 3, 2 * rows, int64_t{4096}}) {
          problem.cum_m = batch_size * slab;
          CHECK_EQ(ggfp8::sm90::choose(problem, device).tiling.shape_idx, packed);
        }
      }
    }
  }
}

// With slabs the hint takes the place of the mean number of rows, and the worst case is that of all
// slabs. TMA needs strides of slabs that it can take.
void check_slabs() {
  ggfp8::DeviceInfo device;
  device.num_processors = 132;
  device.compute_major = 9;
  ggfp8::Problem problem;
  problem.group_kind = ggfp8::GroupKind::kMasked;
  problem.batch_size = 32;
  problem.cum_m = 32 * 4096;
  problem.n = 4096, problem.k = 7168, problem.num_k_blocks = 56;
  problem.sfa.mn_stride = 1, problem.sfa.k_stride = 4096;
  for (const auto& [expected_m, shape] : {std::pair{16, k128x128},
                                          {64, k128x128},
                                          {128, k128x192},
                                          {192, k192x128},
                                          {1024, k128x192}}) {
    problem.expected_m = expected_m;
    const Choice choice = ggfp8::sm90::choose(problem, device);
    const char* name = ggfp8::sm90::kTileShapes[static_cast<size_t>(choice.tiling.shape_idx)].name;
    CHECK(std::strcmp(name, shape) == 0);
    CHECK_EQ(choice.num_ctas, 132);
  }
  CHECK(ggfp8::sm90::supports(problem, device).ok);
  CHECK(ggfp8::sm90::can_load_sfa_by_tma(problem));
  problem.sfa.group_stride = 4096 * 56 + 2;
  CHECK(!ggfp8::sm90::can_load_sfa_by_tma(problem));
  problem.sfa.group_stride = 4096 * 56;
  problem.cum_m = 32 * 4095;  // a piece of four scales could pass the end
  CHECK(!ggfp8::sm90::can_load_sfa_by_tma(problem));
  const auto& shape = ggfp8::sm90::kTileShapes[2];
  CHECK(ggfp8::sm90::can_store_by_tma(problem, shape));
  problem.out.group_stride = int64_t{1} << 39;
  CHECK(!ggfp8::sm90::can_store_by_tma(problem, shape));
  problem.a.group_stride = int64_t{1} << 40;
  CHECK(!ggfp8::sm90::supports(problem, device).ok);
}

template <int kIdx>
void check_instance() {
  constexpr Config kConfig = ggfp8::sm90::config_of(kIdx);
  CHECK(kConfig.registers_fit());
  CHECK_EQ(kConfig.a_box_bytes() % 1024, 0);
  CHECK_EQ(kConfig.b_box_bytes() % 1024, 0);
  CHECK_EQ(kConfig.block_m % kConfig.a_box_rows, 0);
  CHECK_EQ(kConfig.block_n % kConfig.b_box_rows, 0);
  CHECK_EQ(kConfig.scale_blocks_per_k_block() * kConfig.scale_k, ggfp8::sm90::kBlockK);
  CHECK_EQ(kConfig.scale_k % 32, 0);
  CHECK(kConfig.num_stages > ggfp8::sm90::kNumScaleWarps);
  CHECK(kConfig.num_tile_records() >= kConfig.num_stages + ggfp8::sm90::kNumScaleWarps);
  const int pair_idx = ggfp8::dtype_pair_idx(kConfig.a_dtype, kConfig.b_dtype);
  CHECK_EQ(ggfp8::instance_idx(kIdx / ggfp8::kNumDtypePairs, pair_idx), kIdx);
}

// Checks what TMA, wgmma and loads of 16 bytes ask of addresses, counted from a multiple of 1024.
template <int kIdx>
void check_shared_storage() {
  using Storage = ggfp8::sm90::AsyncStorage<ggfp8::sm90::config_of(kIdx)>;
  CHECK(ggfp8::sm90::kSmemBytes[kIdx] <= ggfp8::sm90::kMaxSmemBytes);
  CHECK_EQ(offsetof(Storage, stages), 0u);
  CHECK_EQ(sizeof(typename Storage::Stage) % 1024, 0u);
  CHECK_EQ(offsetof(typename Storage::Stage, b) % 1024, 0u);
  CHECK_EQ(offsetof(Storage, store_boxes) % 1024, 0u);
  CHECK_EQ(offsetof(Storage, scales) % 16, 0u);
  CHECK_EQ(sizeof(typename Storage::Scales) % 16, 0u);
  CHECK_EQ(Storage::kSfbIdx % 4, 0);
  constexpr Config kConfig = ggfp8::sm90::config_of(kIdx);
  CHECK_EQ(sizeof(Storage::scales), sizeof(typename Storage::Scales) * kConfig.num_stages *
                                        kConfig.scale_blocks_per_stage());
  CHECK_EQ(sizeof(ggfp8::sm90::SharedStorage<kConfig>),
           sizeof(Storage) + sizeof(ggfp8::sm90::TileStorage<kConfig>));
}

template <size_t... kIdx>
void check_instances(std::index_sequence<kIdx...>) {
  (check_instance<static_cast<int>(kIdx)>(), ...);
  (check_shared_storage<static_cast<int>(kIdx)>(), ...);
}

// Every row tile of a group has every column tile once, a short row tile two at a time. Long row
// tiles run in bands. Columns ascend in each band, and a short row tile belongs to the last band.
void check_tiles_of_group(int num_long, bool has_short, int num_n_tiles, int max_band_size) {
  const int num_m_tiles = num_long + (has_short ? 1 : 0);
  const int num_tiles = num_long * num_n_tiles + (has_short ? (num_n_tiles + 1) / 2 : 0);
  std::vector<int> times(static_cast<size_t>(num_m_tiles * num_n_tiles));
  std::vector<int> rows_of_band(1);
  size_t short_band = 0;
  int last_n_tile = 0;
  for (int idx = 0; idx < num_tiles; ++idx) {
    const auto place =
        ggfp8::sm90::place_in_group(idx, {num_long, has_short}, num_n_tiles, max_band_size);
    const bool is_short = has_short && place.m_tile_idx == num_long;
    const int num_left = num_n_tiles - place.n_tile_idx;
    CHECK_EQ(place.num_n_tiles, is_short && num_left > 1 ? 2 : 1);
    CHECK(place.m_tile_idx < num_m_tiles && num_left > 0);
    for (int i = 0; i < place.num_n_tiles; ++i) {
      ++times[static_cast<size_t>(place.m_tile_idx * num_n_tiles + place.n_tile_idx + i)];
    }
    const int n_tile = place.n_tile_idx + place.num_n_tiles - 1;
    if (n_tile < last_n_tile) rows_of_band.push_back(0);
    if (is_short) short_band = rows_of_band.size();
    last_n_tile = n_tile;
    if (place.n_tile_idx == 0 && !is_short) ++rows_of_band.back();
  }
  for (const int count : times) CHECK_EQ(count, 1);
  if (num_n_tiles < 3) return;  // too few to tell bands by
  const auto [fewest, most] = std::minmax_element(rows_of_band.begin(), rows_of_band.end());
  CHECK(*most <= max_band_size);
  const int num_bands = static_cast<int>(rows_of_band.size());
  CHECK(num_bands <= std::max(ggfp8::ceil_div(num_long, max_band_size), 1));
  CHECK(*most - *fewest < num_bands || num_bands == 1);
  if (has_short) CHECK_EQ(short_band, rows_of_band.size());
}

void check_group_tiles() {
  for (int num_n_tiles = 1; num_n_tiles <= 5; ++num_n_tiles) {
    for (int num_long = 0; num_long <= 33; ++num_long) {
      for (const int max_band_size : {1, 3, 8, 33}) {
        check_tiles_of_group(num_long, false, num_n_tiles, max_band_size);
        check_tiles_of_group(num_long, true, num_n_tiles, max_band_size);
      }
    }
  }
}

// A band has the row tiles that make 16 MiB of a, and at least one.
void check_band_size() {
  const ggfp8::sm90::Shape& shape = ggfp8::sm90::kTileShapes[2];
  ggfp8::Problem problem;
  problem.k = 8192;
  CHECK_EQ(ggfp8::sm90::max_band_size(problem, shape), 8);
  problem.k = 7168;
  CHECK_EQ(ggfp8::sm90::max_band_size(problem, shape), 9);
  problem.k = 16;
  CHECK_EQ(ggfp8::sm90::max_band_size(problem, shape), 4096);
  problem.k = int64_t{1} << 29;
  CHECK_EQ(ggfp8::sm90::max_band_size(problem, shape), 1);
}

// All shapes can pad n of up to 2^31 - 256; a larger n is refused.
void check_widest() {
  ggfp8::DeviceInfo device;
  device.compute_major = 9;
  ggfp8::Problem problem;
  problem.device_type = ggfp8::DeviceType::kCuda;
  problem.granularity_m = 1;
  problem.granularity_n = problem.granularity_k = 128;
  problem.cum_m = problem.batch_size = 1;
  problem.k = 16;
  problem.num_k_blocks = 1;
  problem.n = INT32_MAX - 255;
  CHECK(ggfp8::sm90::supports(problem, device).ok);
  problem.n += 8;
  CHECK(!ggfp8::sm90::supports(problem, device).ok);
}

// Every tile is computed once, no cluster gets more than its turn, and the last wave is no longer
// than without halves.
void check_last_wave() {
  for (int num_clusters = 1; num_clusters <= 70; ++num_clusters) {
    for (int num_tiles = 0; num_tiles <= 3 * num_clusters; ++num_tiles) {
      const ggfp8::sm90::LastWave wave = ggfp8::sm90::make_last_wave(num_tiles, num_clusters);
      const int num_left = num_tiles - wave.first_tile_idx;
      CHECK_EQ(wave.first_tile_idx % num_clusters, 0);
      CHECK(num_left >= 0 && num_left < num_clusters);
      CHECK(wave.items_per_tile == 1 || num_left * wave.items_per_tile <= num_clusters);
      CHECK(wave.items_per_tile == 2 || num_left * 2 > num_clusters || num_left == 0);
      CHECK_EQ(wave.num_items, wave.first_tile_idx + num_left * wave.items_per_tile);
    }
  }
}

// Every item is some cluster's, once; and where every second, third, fourth or fifth item is
// another kind of tile, all clusters get nearly as many of it.
void check_items() {
  for (int num_clusters = 1; num_clusters <= 70; ++num_clusters) {
    const int step = ggfp8::sm90::place_step(num_clusters);
    CHECK(step >= 0 && step < num_clusters);
    for (int num_items : {0, 1, num_clusters, 3 * num_clusters + 1, 20 * num_clusters}) {
      std::vector<int> times(static_cast<size_t>(num_items));
      for (int cluster = 0; cluster < num_clusters; ++cluster) {
        int num_of_period[6] = {};
        ggfp8::sm90::ItemOfRound item(cluster);
        for (; item.idx < num_items; item.advance(num_clusters, step)) {
          ++times[static_cast<size_t>(item.idx)];
          for (int period = 2; period <= 5; ++period) {
            num_of_period[period] += item.idx % period == 0 ? 1 : 0;
          }
        }
        if (num_clusters < 20 || num_items < 20 * num_clusters) continue;
        for (int period = 2; period <= 5; ++period) {
          CHECK(std::abs(num_of_period[period] - 20 / period) <= 4);
        }
      }
      for (const int count : times) CHECK_EQ(count, 1);
    }
  }
}

}  // namespace

int main() {
  check_table(kManyTiles);
  check_table(kFewTiles);
  check_tma_store_of_scale_blocks();
  check_same_shape_in_slabs();
  check_slabs();
  check_instances(std::make_index_sequence<ggfp8::sm90::kNumInstances>());
  check_widest();
  check_group_tiles();
  check_band_size();
  check_last_wave();
  check_items();
  return check::report();
}
