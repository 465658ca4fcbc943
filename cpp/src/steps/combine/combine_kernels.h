// The kernels of the weighted sum, as host code sees them.
#pragma once

#include "core/problem.h"

namespace ggfp8::steps {

// Address of the __global__ function for a type of x, and for grids of few CTAs or of many.
const void* combine_kernel_address(Dtype x_dtype, bool small_grid);

}  // namespace ggfp8::steps
