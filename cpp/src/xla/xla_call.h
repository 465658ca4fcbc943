// From a call frame of XLA to the arguments of ggfp8_group_gemm_nt_groupwise. Called by
// xla_handler.
#pragma once

#include <cstddef>

#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "xla/xla_abi.h"

namespace ggfp8::xla {

// Longest name of a backend, the terminating zero included.
constexpr size_t kBackendBytes = 64;

struct Call {
  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;  // without device and flags
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
  char backend[kBackendBytes] = {0};  // args.backend points here

  Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
};

// Reads arrays and attributes, and checks what the C API cannot see behind its pointers: types and
// shapes. Whoever knows a handler's name may call it with any arrays.
[[nodiscard]] Status read_call(const CallFrame& frame, Call* call) noexcept;

}  // namespace ggfp8::xla
