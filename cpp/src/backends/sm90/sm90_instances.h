// The kernels that exist, one per translation unit under instances/, as seen by host code.
#pragma once

#include "backends/sm90/sm90_config.h"

namespace ggfp8::sm90 {

// Address of the __global__ function of instance kIdx. Defined by its translation unit; a missing
// one is a link error.
template <int kIdx>
const void* kernel_address();

}  // namespace ggfp8::sm90
