// From tensors, described by the DLPack table of their framework, to the arguments of
// ggfp8_group_gemm_nt_groupwise. Called by dlpack_function; knows no Python.
//
// Whatever is not as the product needs it is refused without a sentence: who asks then takes the
// way that explains.
#pragma once

#include <cstddef>

#include "dlpack/dlpack_abi.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8::dlpack {

// Where each input is among those of a call.
enum Input { kA, kB, kAScale, kBScale, kMIndptr, kNumInputs };

struct Call {
  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
  void* stream = nullptr;
};

// The table of our major version in the chain of a published one; null if there is none, or it
// cannot describe tensors.
const Table* find_table(const void* exchange_api) noexcept;

// The functions below fill *call, in this order, from objects of the table's framework. They say
// false where they refuse; the table's functions may then have set an exception of Python.

// Every size, type, stride and device is checked that one input or the options say about another;
// the C API checks the rest.
[[nodiscard]] bool read_inputs(const Table& table, void* const* objects,
                               const ggfp8_dlpack_options& options, Call* call) noexcept;

// `dtype` is the type that it must have, or 0.
[[nodiscard]] bool read_out(const Table& table, void* object, int32_t dtype, Call* call) noexcept;

// What a tensor of bytes has behind its first aligned address.
[[nodiscard]] bool read_workspace(const Table& table, void* object, Call* call) noexcept;

[[nodiscard]] bool read_current_stream(const Table& table, Call* call) noexcept;

}  // namespace ggfp8::dlpack
