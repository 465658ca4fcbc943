// The GEMM kernels of sm100_gemm.cu as seen by host code, without CUTLASS.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/sm100/sm100_params.h"
#include "core/problem.h"

namespace ggfp8::sm100 {

struct GemmInput {
  GroupTables tables;
  int32_t batch_size;
  int32_t device_id;
  int32_t num_sms;
  Dtype a_dtype;
  Dtype b_dtype;
  void* workspace;  // for tensor maps
  size_t workspace_bytes;
};

// The settings of a launch besides its params.
struct GemmKernel {
  const void* address;
  unsigned num_threads;
  size_t smem_bytes;
};

// Room for the params of every kernel: what a kernel may be given.
constexpr size_t kGemmParamsBytes = 4096;
constexpr size_t kGemmParamsAlignment = 128;

GemmKernel gemm_kernel_of(int config_idx);

// Fills the kernel's params at `params`. False if CUTLASS refuses the input or wants more
// workspace than there is, or if the driver does not encode a tensor map.
bool make_gemm_params(int config_idx, const GemmInput& input, void* params);

}  // namespace ggfp8::sm100
