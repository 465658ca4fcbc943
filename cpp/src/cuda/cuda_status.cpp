#include "cuda/cuda_status.h"

#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

Status check_cuda(cudaError_t error, const char* call) noexcept {
  if (error == cudaSuccess) return kSuccess;
  // The runtime also remembers the error; forget it, so that the next call starts clean.
  (void)cudaGetLastError();
  const bool no_driver = error == cudaErrorInsufficientDriver || error == cudaErrorNoDevice ||
                         error == cudaErrorInitializationError || error == cudaErrorStubLibrary ||
                         error == cudaErrorSystemNotReady || error == cudaErrorDevicesUnavailable;
  return fail(no_driver ? GGFP8_ERROR_NO_DRIVER : GGFP8_ERROR_CUDA, "%s: %s: %s", call,
              cudaGetErrorName(error), cudaGetErrorString(error));
}

}  // namespace ggfp8
