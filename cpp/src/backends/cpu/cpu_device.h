// The CPU as a device: its instruction set, the threads a call may use, its L2 cache. Called by
// the C API for every call with host pointers, so that GGFP8_CPU_ISA and GGFP8_NUM_THREADS are
// read at one place.
#pragma once

#include "core/device_info.h"

namespace ggfp8 {

// num_processors is the number of processors this process may run on, at most GGFP8_NUM_THREADS
// where that environment variable is a positive number.
DeviceInfo query_cpu_device() noexcept;

}  // namespace ggfp8
