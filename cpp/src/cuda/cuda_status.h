// Maps CUDA runtime errors to the library's status codes.
#pragma once

#include <cuda_runtime_api.h>

#include "core/status.h"

namespace ggfp8 {

// kSuccess, or the status and sentence for a failed runtime call named `call`.
Status check_cuda(cudaError_t error, const char* call) noexcept;

}  // namespace ggfp8
