#include "cuda/kernel_launch.h"

#include "cuda/cuda_status.h"

namespace ggfp8 {
namespace {

// Raises the dynamic shared-memory limit. This loads the kernel's module, which may allocate, so
// a capture in progress on this thread is told that the call is not part of it.
Status configure_kernel(const KernelLaunch& launch) {
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  if (Status s = check_cuda(cudaThreadExchangeStreamCaptureMode(&mode),
                            "cudaThreadExchangeStreamCaptureMode")) {
    return s;
  }
  const Status status =
      check_cuda(cudaFuncSetAttribute(launch.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      static_cast<int>(launch.smem_bytes)),
                 "cudaFuncSetAttribute");
  (void)cudaThreadExchangeStreamCaptureMode(&mode);
  return status;
}

}  // namespace

Status launch_kernel(const KernelLaunch& launch, KernelState* state, const void* params,
                     cudaStream_t stream) noexcept {
  const bool tracked = launch.device_id < 64;
  const uint64_t bit = tracked ? uint64_t{1} << launch.device_id : 0;
  if (!tracked || (state->configured_devices.load(std::memory_order_acquire) & bit) == 0) {
    if (Status s = configure_kernel(launch)) return s;
    state->configured_devices.fetch_or(bit, std::memory_order_release);
  }
  void* arguments[] = {const_cast<void*>(params)};
  return check_cuda(
      cudaLaunchKernel(launch.kernel, dim3(launch.num_ctas), dim3(launch.threads_per_cta),
                       arguments, launch.smem_bytes, stream),
      "cudaLaunchKernel");
}

}  // namespace ggfp8
