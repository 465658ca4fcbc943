// From a call frame of XLA to the arguments of ggfp8_group_gemm_nt_groupwise_tensors. Called by
// xla_handler.
#pragma once

#include <cstddef>

#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "xla/xla_abi.h"
#include "xla/xla_frame.h"

namespace ggfp8::xla {

// Longest name of a backend with a configuration, the terminating zero included.
constexpr size_t kBackendBytes = 64;

constexpr int kNumArguments = 5;  // a, b, a_scale, b_scale, groups
constexpr int kMaxResults = 2;    // out, workspace

// Shapes belong to the frame.
struct Call {
  ggfp8_tensor arguments[kNumArguments] = {};
  ggfp8_tensor results[kMaxResults] = {};
  bool has_workspace = false;
  int32_t b_has_swapped_axes = 0;  // b is (batch_size, k, n) with k as the contiguous axis
  int64_t b_shape[3] = {0};        // the shape of such a b as (batch_size, n, k)
  ggfp8_group_gemm_options options = GGFP8_GROUP_GEMM_OPTIONS_INIT;  // without flags
  char backend[kBackendBytes] = {0};                                 // options.backend points here

  Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
};

// Describes the arrays of the frame and reads its attributes.
[[nodiscard]] Status read_call(const CallFrame& frame, const Place& place, Call* call) noexcept;

}  // namespace ggfp8::xla
