// The list of sm100 kernels and the numbers they share.
//
// A kernel computes tiles of 128 rows and 128 columns per CTA; with mma_sm = 2 two CTAs of a
// cluster share one tcgen05 product of 256 rows. FP8 types, scale majors and strides are run-time
// values, so they are no axis of this list.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/problem.h"

namespace ggfp8::sm100 {

constexpr int kTileM = 128;  // of one CTA
constexpr int kTileN = 128;
constexpr int kTileK = 128;

// Shared memory that a CTA may use on 10.x and 11.0; no kernel needs more.
constexpr int kSmemBytes = 227 * 1024;

struct Config {
  int mma_sm;
  int granularity_m;
  Dtype out_dtype;
  const char* name;

  constexpr bool operator==(const Config&) const = default;
};

constexpr std::array<Config, 8> kConfigs = {{
    {1, 1, Dtype::kBFloat16, "tcgen05 1-SM 128x128, scales 1x128, bfloat16"},
    {1, 1, Dtype::kFloat16, "tcgen05 1-SM 128x128, scales 1x128, float16"},
    {1, 128, Dtype::kBFloat16, "tcgen05 1-SM 128x128, scales 128x128, bfloat16"},
    {1, 128, Dtype::kFloat16, "tcgen05 1-SM 128x128, scales 128x128, float16"},
    {2, 1, Dtype::kBFloat16, "tcgen05 2-SM 256x128, scales 1x128, bfloat16"},
    {2, 1, Dtype::kFloat16, "tcgen05 2-SM 256x128, scales 1x128, float16"},
    {2, 128, Dtype::kBFloat16, "tcgen05 2-SM 256x128, scales 128x128, bfloat16"},
    {2, 128, Dtype::kFloat16, "tcgen05 2-SM 256x128, scales 128x128, float16"},
}};

constexpr int kNumConfigs = static_cast<int>(kConfigs.size());

constexpr const Config& config_of(int idx) {
  return kConfigs[static_cast<size_t>(idx)];
}

// The kernel for a problem, or -1 where none has its granularity or output type.
constexpr int find_config(int mma_sm, int granularity_m, Dtype out_dtype) {
  for (int idx = 0; idx < kNumConfigs; ++idx) {
    const Config& config = config_of(idx);
    if (config.mma_sm == mma_sm && config.granularity_m == granularity_m &&
        config.out_dtype == out_dtype) {
      return idx;
    }
  }
  return -1;
}

}  // namespace ggfp8::sm100
