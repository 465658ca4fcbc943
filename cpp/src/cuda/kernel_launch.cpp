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

Status prepare_kernel(const KernelLaunch& launch, KernelState* state) noexcept {
  const bool tracked = launch.device_id < 64;
  const uint64_t bit = tracked ? uint64_t{1} << launch.device_id : 0;
  if (tracked && (state->configured_devices.load(std::memory_order_acquire) & bit) != 0) {
    return kSuccess;
  }
  if (Status s = configure_kernel(launch)) return s;
  state->configured_devices.fetch_or(bit, std::memory_order_release);
  return kSuccess;
}

Status launch_kernel(const KernelLaunch& launch, KernelState* state, const void* params,
                     cudaStream_t stream) noexcept {
  if (Status s = prepare_kernel(launch, state)) return s;
  cudaLaunchAttribute cluster = {};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = launch.ctas_per_cluster;
  cluster.val.clusterDim.y = 1;
  cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(launch.num_ctas, launch.num_ctas_y, launch.num_ctas_z);
  config.blockDim = dim3(launch.threads_per_cta);
  config.dynamicSmemBytes = launch.smem_bytes;
  config.stream = stream;
  config.attrs = &cluster;
  config.numAttrs = launch.ctas_per_cluster > 1 ? 1 : 0;
  void* arguments[] = {const_cast<void*>(params)};
  return check_cuda(cudaLaunchKernelExC(&config, launch.kernel, arguments), "cudaLaunchKernelExC");
}

}  // namespace ggfp8
