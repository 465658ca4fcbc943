// The part of CUDA that the layers above the backends need, without a CUDA header.
//
// Implemented by cuda_device.cpp, or by no_cuda.cpp in a build without CUDA.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/device_info.h"
#include "core/status.h"

namespace ggfp8 {

// Sets *count, or reports why no driver or device is usable.
Status count_cuda_devices(int32_t* count) noexcept;

// Facts about one device: read once per device and process, anew after a failure.
Status query_cuda_device(int32_t id, DeviceInfo* info) noexcept;

// Whether memory belongs to a CUDA device, and to which. Needs no context and makes none.
bool cuda_device_of(const void* pointer, int32_t* id) noexcept;

// Copies device memory to the host after the work of `stream` and waits for the copy. Refused while
// the stream is being captured.
Status copy_to_host(int32_t device_id, void* destination, const void* source, size_t bytes,
                    void* stream) noexcept;

}  // namespace ggfp8
