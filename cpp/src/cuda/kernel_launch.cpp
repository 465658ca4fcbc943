#include "cuda/kernel_launch.h"

#include "cuda/cuda_status.h"
#include "cuda/early_launch.h"
#include "cuda/stream_device.h"

namespace ggfp8 {
namespace {

// The first architecture whose code can wait for the kernels before it.
constexpr int kFirstWaitingCode = 90;

// Raises the dynamic shared-memory limit, and says whether the code on this device waits for the
// kernels before it. This loads the kernel's module, which may allocate, so a capture in progress
// on this thread is told that the call is not part of it.
Status configure_kernel(const KernelLaunch& launch, bool* can_wait) {
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  if (Status s = check_cuda(cudaThreadExchangeStreamCaptureMode(&mode),
                            "cudaThreadExchangeStreamCaptureMode")) {
    return s;
  }
  Status status =
      check_cuda(cudaFuncSetAttribute(launch.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      static_cast<int>(launch.smem_bytes)),
                 "cudaFuncSetAttribute");
  cudaFuncAttributes code = {};
  if (status == kSuccess && launch.waits_for_kernels_before) {
    status = check_cuda(cudaFuncGetAttributes(&code, launch.kernel), "cudaFuncGetAttributes");
  }
  *can_wait = code.ptxVersion >= kFirstWaitingCode;
  (void)cudaThreadExchangeStreamCaptureMode(&mode);
  return status;
}

// The device's bit in a KernelState, or 0 for a device that has none.
uint64_t bit_of(int32_t device_id) {
  return device_id < 64 ? uint64_t{1} << device_id : 0;
}

cudaError_t enqueue_grid(const KernelLaunch& launch, bool begins_early, const void* params,
                         cudaStream_t stream) {
  cudaLaunchAttribute attributes[2] = {};
  unsigned num_attributes = 0;
  if (launch.ctas_per_cluster > 1) {
    cudaLaunchAttribute& cluster = attributes[num_attributes++];
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim.x = launch.ctas_per_cluster;
    cluster.val.clusterDim.y = 1;
    cluster.val.clusterDim.z = 1;
  }
  if (begins_early) {
    cudaLaunchAttribute& early = attributes[num_attributes++];
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(launch.num_ctas, launch.num_ctas_y, launch.num_ctas_z);
  config.blockDim = dim3(launch.threads_per_cta);
  config.dynamicSmemBytes = launch.smem_bytes;
  config.stream = stream;
  config.attrs = attributes;
  config.numAttrs = num_attributes;
  void* arguments[] = {const_cast<void*>(params)};
  return cudaLaunchKernelExC(&config, launch.kernel, arguments);
}

// Enqueues the kernel, early where that saves time.
cudaError_t enqueue_early_if_worth_it(const KernelLaunch& launch, const KernelState& state,
                                      const void* params, cudaStream_t stream) {
  if ((state.early_devices.load(std::memory_order_relaxed) & bit_of(launch.device_id)) == 0) {
    return enqueue_grid(launch, false, params, stream);
  }
  const EarlyLaunch early(stream);
  const cudaError_t error = enqueue_grid(launch, early.is_worth_it(), params, stream);
  if (error == cudaSuccess) early.done();
  return error;
}

}  // namespace

Status prepare_kernel(const KernelLaunch& launch, KernelState* state) noexcept {
  const uint64_t bit = bit_of(launch.device_id);
  if (bit != 0 && (state->configured_devices.load(std::memory_order_acquire) & bit) != 0) {
    return kSuccess;
  }
  bool can_wait = false;
  if (Status s = configure_kernel(launch, &can_wait)) return s;
  if (can_wait) state->early_devices.fetch_or(bit, std::memory_order_relaxed);
  state->configured_devices.fetch_or(bit, std::memory_order_release);
  return kSuccess;
}

Status launch_kernel(const KernelLaunch& launch, KernelState* state, const void* params,
                     cudaStream_t stream) noexcept {
  if (Status s = check_stream_device(launch.device_id, stream)) return s;
  if (Status s = prepare_kernel(launch, state)) return s;
  cudaError_t error = enqueue_early_if_worth_it(launch, *state, params, stream);
  if (error == cudaErrorInvalidValue) {
    // cudaDeviceReset() takes the kernel's limit of shared memory with it, but not the mark.
    (void)cudaGetLastError();
    state->configured_devices.fetch_and(~bit_of(launch.device_id), std::memory_order_acq_rel);
    if (Status s = prepare_kernel(launch, state)) return s;
    error = enqueue_early_if_worth_it(launch, *state, params, stream);
  }
  return check_cuda(error, "cudaLaunchKernelExC");
}

}  // namespace ggfp8
