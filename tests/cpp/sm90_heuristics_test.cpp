// backends/sm90/sm90_heuristics.h: the tile shape and number of CTAs for a table of problems on an
// H200, and the limits of each instance.
#include "backends/sm90/sm90_heuristics.h"

#include <cstdint>
#include <cstring>

#include "backends/sm90/sm90_config.h"
#include "check.h"

namespace {

using ggfp8::sm90::Choice;
using ggfp8::sm90::Config;

constexpr int kMaxSmemBytes = 232448;

struct Case {
  int64_t cum_m, n, batch_size;
  const char* shape;
  int num_ctas;
};

// Many tiles fill every SM; few tiles get one CTA each, or one cluster of two. Groups of more than
// 128 rows take the large tile that fits their rows and the waves of clusters better.
constexpr Case kCases[] = {
    {1, 8, 1, "tile 64x128, swapped", 1},
    {16, 4096, 1, "tile 64x128, swapped", 32},
    {4096, 4096, 256, "tile 64x128, swapped", 132},
    {17, 4096, 1, "tile 64x128, swapped", 32},
    {64 * 32, 4096, 32, "tile 64x128, swapped", 132},
    {65, 128, 1, "tile 128x128", 2},
    {128 * 32, 4096, 32, "tile 128x128", 132},
    {129, 384, 1, "tile 192x128", 4},
    {192 * 32, 4096, 32, "tile 192x128", 132},
    {193, 256, 1, "tile 192x128", 4},
    {193 * 64, 4096, 64, "tile 256x128", 132},
    {384, 256, 1, "tile 192x128", 6},
    {512 * 128, 1536, 128, "tile 256x128", 132},
    {1024 * 32, 4096, 32, "tile 256x128", 132},
    {4096 * 8, 4096, 8, "tile 192x128", 132},
    {8192, 8192, 1, "tile 192x128", 132},
};

void check_table() {
  ggfp8::DeviceInfo device;
  device.num_processors = 132;
  for (const Case& test_case : kCases) {
    ggfp8::Problem problem;
    problem.cum_m = test_case.cum_m;
    problem.n = test_case.n;
    problem.batch_size = test_case.batch_size;
    const Choice choice = ggfp8::sm90::choose(problem, device);
    const char* shape = ggfp8::sm90::kTileShapes[static_cast<size_t>(choice.shape_idx)].name;
    if (!CHECK(std::strcmp(shape, test_case.shape) == 0) ||
        !CHECK_EQ(choice.num_ctas, test_case.num_ctas)) {
      std::cerr << "  case " << &test_case - kCases << ": " << shape << "\n";
    }
  }
}

void check_instances() {
  for (int idx = 0; idx < ggfp8::sm90::kNumInstances; ++idx) {
    const Config config = ggfp8::sm90::config_of(idx);
    CHECK(config.smem_bytes() <= kMaxSmemBytes);
    CHECK_EQ(config.stage_bytes() % 1024, 0);
    CHECK_EQ(config.a_bytes() % 1024, 0);
    CHECK_EQ(config.scales_offset() % 16, 0);
    CHECK_EQ(config.barriers_offset() % 8, 0);
    CHECK(config.registers_fit());
    CHECK_EQ(config.a_box_bytes() % 1024, 0);
    CHECK_EQ(config.tile_m % config.a_box_rows, 0);
    CHECK(config.num_stages >= 3);
    const int pair_idx = ggfp8::dtype_pair_idx(config.a_dtype, config.b_dtype);
    CHECK_EQ(ggfp8::instance_idx(idx / ggfp8::kNumDtypePairs, pair_idx), idx);
  }
}

}  // namespace

int main() {
  check_table();
  check_instances();
  return check::report();
}
