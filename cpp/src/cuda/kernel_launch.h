// Launches a kernel once its shared-memory limit is raised on the device at hand.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/status.h"

namespace ggfp8 {

// The state that a kernel's owner keeps for the life of the process: which devices have the
// kernel's attributes, and which let a kernel begin before the kernel before it has ended.
struct KernelState {
  std::atomic<uint64_t> configured_devices{0};  // bit per device ordinal below 64
  std::atomic<uint64_t> early_devices{0};       // of these
};

struct KernelLaunch {
  const void* kernel = nullptr;  // address of the __global__ function
  int32_t device_id = 0;
  unsigned num_ctas = 1;
  unsigned num_ctas_y = 1;  // along the grid's second axis
  unsigned num_ctas_z = 1;
  unsigned ctas_per_cluster = 1;  // divides num_ctas
  unsigned threads_per_cta = 1;
  size_t smem_bytes = 0;  // dynamic; the same in every launch of a kernel

  // The kernel calls ptx::wait_for_kernels_before() before it touches global memory. Where its code
  // is of 9.0 or later it may then begin before the kernel before it has ended
  // (cuda/early_launch.h).
  bool waits_for_kernels_before = false;
};

// Does what the first launch on a device needs before: loads the kernel and raises its limit of
// shared memory. Legal during stream capture. The device must be current.
Status prepare_kernel(const KernelLaunch& launch, KernelState* state) noexcept;

// Enqueues the kernel with its one argument struct. Legal during stream capture, the first call
// of the process included. The device must be current. GGFP8_ERROR_INVALID_DEVICE if the stream is
// one of another device.
Status launch_kernel(const KernelLaunch& launch, KernelState* state, const void* params,
                     cudaStream_t stream) noexcept;

}  // namespace ggfp8
