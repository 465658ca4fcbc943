// The kernels of routing.
#include "steps/route/route_kernels.h"

#include "steps/route/route_count.cuh"
#include "steps/route/route_place.cuh"

namespace ggfp8::steps {

const void* route_count_address() {
  return reinterpret_cast<const void*>(&route_count);
}

const void* route_place_address() {
  return reinterpret_cast<const void*>(&route_place);
}

}  // namespace ggfp8::steps
