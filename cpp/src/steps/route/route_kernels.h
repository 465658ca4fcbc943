// The kernels of routing, as host code sees them.
#pragma once

namespace ggfp8::steps {

// Addresses of the __global__ functions.
const void* route_count_address();
const void* route_place_address();

}  // namespace ggfp8::steps
