// The CPU as a device: its instruction set, the threads a call may use, its L2 cache. Called by
// the C API for every call with host pointers, so that GGFP8_CPU_ISA and GGFP8_NUM_THREADS are
// understood at one place.
#pragma once

#include "core/device_info.h"
#include "core/status.h"

namespace ggfp8 {

// num_processors is the number of processors this process may run on: at most GGFP8_NUM_THREADS,
// and without that variable at most what the control group's quota of CPU time is worth. Fails for
// bad values of the variables.
Status query_cpu_device(DeviceInfo* info) noexcept;

}  // namespace ggfp8
