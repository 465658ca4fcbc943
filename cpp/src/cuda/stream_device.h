// Refuses a stream of another device than the arrays'.
//
// CUDA does not refuse the launch of a kernel in such a stream: the kernel runs on the stream's
// device, on addresses of another device.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "core/status.h"

namespace ggfp8 {

// GGFP8_ERROR_INVALID_DEVICE if the stream belongs to another device; kSuccess where the driver
// does not tell its device. Legal during stream capture. A process with one device asks nothing.
Status check_stream_device(int32_t device_id, cudaStream_t stream) noexcept;

}  // namespace ggfp8
