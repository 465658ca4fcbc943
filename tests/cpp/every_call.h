// One call of every function that computes, on host memory, each worth helper threads, with results
// that are easy to say.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "groupgemm_fp8/moe.h"
#include "ones_call.h"

namespace every_call {

inline bool multiplies() {
  OnesCall call(64, 256, 512);
  return call.run() == GGFP8_SUCCESS && call.out_is_right();
}

inline bool quantizes() {
  OnesQuantization call(64, 1 << 14);
  return call.run() == GGFP8_SUCCESS && call.out_is_right();
}

// silu(1) * 1 is the same for all elements, which are then the largest of their blocks.
inline bool activates() {
  constexpr int64_t kRows = 64, kK = 1 << 13;
  const std::vector<float> gate_up(count_of(kRows, 2 * kK), 1.0f);
  std::vector<uint8_t> out(count_of(kRows, kK));
  std::vector<float> scale(count_of(kRows, kK / 128));
  ggfp8_silu_mul_quantize_groupwise_args args = GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_ARGS_INIT;
  args.gate_up = gate_up.data();
  args.out = out.data();
  args.scale = scale.data();
  args.rows = kRows;
  args.k = kK;
  args.gate_up_dtype = GGFP8_DTYPE_FLOAT32;
  args.device_type = GGFP8_DEVICE_CPU;
  return ggfp8_silu_mul_quantize_groupwise(&args, nullptr) == GGFP8_SUCCESS &&
         std::all_of(out.begin(), out.end(),
                     [](uint8_t code) { return code == OnesQuantization::kLargest; });
}

// Token t goes to group t % kGroups.
inline bool routes() {
  constexpr int32_t kTokens = 4096, kGroups = 64;
  std::vector<int32_t> index(kTokens), rows(kTokens), position(kTokens), bounds(kGroups + 1);
  for (int32_t i = 0; i < kTokens; ++i) index[static_cast<size_t>(i)] = i % kGroups;
  ggfp8_route_args args = GGFP8_ROUTE_ARGS_INIT;
  args.top_k_index = index.data();
  args.row_index = rows.data();
  args.position = position.data();
  args.m_indptr = bounds.data();
  args.num_tokens = kTokens;
  args.top_k = 1;
  args.batch_size = kGroups;
  args.device_type = GGFP8_DEVICE_CPU;
  if (ggfp8_route(&args, nullptr, 0, nullptr) != GGFP8_SUCCESS) return false;
  for (int32_t i = 0; i < kTokens; ++i) {
    const int32_t row = position[static_cast<size_t>(i)];
    if (row != i % kGroups * (kTokens / kGroups) + i / kGroups) return false;
    if (rows[static_cast<size_t>(row)] != i) return false;
  }
  return bounds.back() == kTokens;
}

// Four rows of ones with weights of a quarter.
inline bool combines() {
  constexpr int64_t kTokens = 256, kTopK = 4, kK = 1024, kRows = 512;
  const std::vector<float> x(count_of(kRows, kK), 1.0f), weight(count_of(kTokens, kTopK), 0.25f);
  std::vector<int32_t> position(count_of(kTokens, kTopK));
  for (size_t i = 0; i < position.size(); ++i) position[i] = static_cast<int32_t>(i % kRows);
  std::vector<float> out(count_of(kTokens, kK));
  ggfp8_combine_args args = GGFP8_COMBINE_ARGS_INIT;
  args.x = x.data();
  args.position = position.data();
  args.weight = weight.data();
  args.out = out.data();
  args.x_rows = kRows;
  args.num_tokens = kTokens;
  args.top_k = kTopK;
  args.k = kK;
  args.x_dtype = args.out_dtype = GGFP8_DTYPE_FLOAT32;
  args.device_type = GGFP8_DEVICE_CPU;
  return ggfp8_combine(&args, nullptr) == GGFP8_SUCCESS &&
         std::all_of(out.begin(), out.end(), [](float value) { return value == 1.0f; });
}

// Returns whether all of them succeed and are right.
inline bool all_are_right() {
  return multiplies() && quantizes() && activates() && routes() && combines();
}

}  // namespace every_call
