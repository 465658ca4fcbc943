// backends/mma/mma_heuristics.h: the tile shape and number of CTAs for a table of problems on the
// devices the backend runs on, and the limits that every choice keeps.
#include "backends/mma/mma_heuristics.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "backends/mma/mma_config.h"
#include "backends/mma/mma_shared_storage.h"
#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

using ggfp8::DeviceInfo;
using ggfp8::Problem;
using ggfp8::mma::Choice;
using ggfp8::mma::choose;
using ggfp8::mma::Config;
using ggfp8::mma::config_of;
using ggfp8::mma::kTileShapes;
using ggfp8::mma::SharedStorage;

// The driver's own part of an SM's shared memory per CTA.
constexpr int64_t kReservedBytes = 1024;
constexpr int kRegistersPerSm = 65536;

// The published limits of one product per compute capability.
struct Device {
  int32_t compute_capability;
  int32_t num_processors;
  int64_t max_kib_per_cta;
  int64_t kib_per_sm;
};

constexpr Device kA100 = {80, 108, 163, 164};
constexpr Device kA40 = {86, 84, 99, 100};
constexpr Device kL40S = {89, 142, 99, 100};
constexpr Device kH200 = {90, 132, 227, 228};
constexpr Device kRtx5090 = {120, 170, 99, 100};
constexpr Device kDevices[] = {kA100, kA40, kL40S, kH200, kRtx5090};

DeviceInfo info_of(const Device& device) {
  DeviceInfo info;
  info.type = ggfp8::DeviceType::kCuda;
  info.compute_major = device.compute_capability / 10;
  info.compute_minor = device.compute_capability % 10;
  info.num_processors = device.num_processors;
  info.max_smem_bytes_per_cta = device.max_kib_per_cta * 1024;
  info.smem_bytes_per_sm = device.kib_per_sm * 1024;
  return info;
}

Problem problem_of(int64_t cum_m, int64_t n, int64_t batch_size) {
  Problem problem;
  problem.cum_m = cum_m;
  problem.n = n;
  problem.k = 7168;
  problem.batch_size = batch_size;
  return problem;
}

struct Case {
  Device device;
  int64_t cum_m, n, batch_size;
  const char* shape;
  int num_ctas;
};

// Many tiles fill every SM; few tiles get one CTA each. 128 rows need 136 KiB per CTA.
constexpr Case kCases[] = {
    {kH200, 1, 8, 1, "tile 16x128", 1},
    {kH200, 16, 4096, 1, "tile 16x128", 32 * 2},
    {kH200, 256, 4096, 256, "tile 16x128", 132 * 3},
    {kH200, 4096, 4096, 256, "tile 16x128", 132 * 3},
    {kH200, 17, 4096, 1, "tile 64x128", 32},
    {kH200, 4097, 4096, 256, "tile 64x128", 132 * 2},
    {kH200, 64, 136, 2, "tile 64x128", 3 * 2},
    {kH200, 8184, 7168, 8, "tile 64x128", 132 * 2},
    {kH200, 8192, 7168, 8, "tile 128x128", 132},
    {kH200, 1024, 136, 1, "tile 128x128", 9 * 2},
    {kA100, 256, 4096, 256, "tile 16x128", 108 * 2},
    {kA100, 4096, 7168, 8, "tile 64x128", 108 * 2},
    {kA100, 8192, 7168, 8, "tile 128x128", 108},
    {kA40, 256, 4096, 256, "tile 16x128", 84},
    {kA40, 8192, 7168, 8, "tile 64x128", 84},
    {kL40S, 8192, 7168, 8, "tile 64x128", 142},
    {kRtx5090, 256, 4096, 256, "tile 16x128", 170},
    {kRtx5090, 8192, 7168, 8, "tile 64x128", 170},
};

void check_table() {
  for (const Case& test_case : kCases) {
    const Problem problem = problem_of(test_case.cum_m, test_case.n, test_case.batch_size);
    const Choice choice = choose(problem, info_of(test_case.device));
    const char* shape = kTileShapes[static_cast<size_t>(choice.shape_idx)].name;
    if (!CHECK(std::strcmp(shape, test_case.shape) == 0) ||
        !CHECK_EQ(choice.num_ctas, test_case.num_ctas)) {
      std::cerr << "  case " << &test_case - kCases << ": " << shape << "\n";
    }
  }
}

// With slabs the hint takes the place of the mean number of rows.
void check_slabs() {
  Problem problem = problem_of(32 * 4096, 4096, 32);
  problem.group_kind = ggfp8::GroupKind::kMasked;
  for (const auto& [expected_m, shape_idx] : {std::pair{16, 0}, {17, 1}, {1023, 1}, {1024, 2}}) {
    problem.expected_m = expected_m;
    CHECK_EQ(choose(problem, info_of(kH200)).shape_idx, shape_idx);
  }
}

// Limits that hold for each instance by itself; what fits which device is up to the choice.
void check_instances() {
  for (int idx = 0; idx < ggfp8::mma::kNumInstances; ++idx) {
    const Config config = config_of(idx);
    CHECK(config.num_threads() <= 1024);
    CHECK(config.num_threads() * config.num_ctas_per_sm * 64 <= kRegistersPerSm);
    const int pair_idx = ggfp8::dtype_pair_idx(config.a_dtype, config.b_dtype);
    CHECK_EQ(ggfp8::instance_idx(idx / ggfp8::kNumDtypePairs, pair_idx), idx);
  }
}

// Rows of a and b are read 16 bytes at a time, from stages that begin at the width of a row.
template <size_t... kIdx>
void check_shared_storage(std::index_sequence<kIdx...>) {
  (CHECK_EQ(offsetof(SharedStorage<config_of(kIdx)>, stages) % 128, 0u), ...);
  (CHECK_EQ(sizeof(typename SharedStorage<config_of(kIdx)>::Stage) % 16, 0u), ...);
}

// The kernel fits the device. At least one CTA, no more than are resident at once and no more than
// there can be tiles.
void check_limits(const Problem& problem, const DeviceInfo& device) {
  const Choice choice = choose(problem, device);
  if (!CHECK(choice.shape_idx >= 0 && choice.shape_idx < static_cast<int>(kTileShapes.size()))) {
    return;
  }
  const int idx = ggfp8::instance_idx(choice.shape_idx, 0);
  const Config config = config_of(idx);
  const int64_t smem_bytes = ggfp8::mma::kSmemBytes[static_cast<size_t>(idx)];
  const int64_t ctas_per_sm = (choice.num_ctas + device.num_processors - 1) / device.num_processors;
  const int64_t row_tiles =
      std::min(problem.cum_m / config.tile_m + problem.batch_size, problem.cum_m);
  const int64_t col_tiles = (problem.n + config.tile_n - 1) / config.tile_n;
  bool ok = choice.num_ctas >= 1 && choice.num_ctas <= row_tiles * col_tiles;
  ok = ok && smem_bytes <= device.max_smem_bytes_per_cta;
  ok = ok && ctas_per_sm <= config.num_ctas_per_sm;
  ok = ok && ctas_per_sm * (smem_bytes + kReservedBytes) <= device.smem_bytes_per_sm;
  if (!CHECK(ok)) {
    std::cerr << "  cum_m " << problem.cum_m << ", n " << problem.n << ", batch_size "
              << problem.batch_size << ", device " << device.compute_capability() << "\n";
  }
}

void check_all_sizes() {
  for (const Device& device : kDevices) {
    const DeviceInfo info = info_of(device);
    for (int64_t batch_size : {int64_t{1}, int64_t{3}, int64_t{256}, int64_t{16777216}}) {
      for (int64_t n : {int64_t{8}, int64_t{136}, int64_t{7168}, int64_t{GGFP8_MAX_N}}) {
        for (int64_t cum_m = 1; cum_m <= 300; ++cum_m) {
          check_limits(problem_of(cum_m, n, batch_size), info);
        }
        for (int64_t cum_m : {int64_t{65536}, int64_t{GGFP8_MAX_CUM_M}}) {
          check_limits(problem_of(cum_m, n, batch_size), info);
        }
      }
    }
  }
}

// The shape depends on the mean rows per group alone and grows with them.
void check_shape_is_monotonic() {
  for (int64_t batch_size : {1, 7, 256}) {
    int previous = 0;
    for (int64_t cum_m = 1; cum_m <= 40000; cum_m += 13) {
      const int shape_idx = choose(problem_of(cum_m, 4096, batch_size), info_of(kH200)).shape_idx;
      CHECK(shape_idx >= previous);
      previous = shape_idx;
    }
  }
}

}  // namespace

int main() {
  check_table();
  check_slabs();
  check_instances();
  check_shared_storage(std::make_index_sequence<ggfp8::mma::kNumInstances>());
  check_all_sizes();
  check_shape_is_monotonic();
  return check::report();
}
