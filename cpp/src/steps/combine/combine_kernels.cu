// The kernels of the weighted sum that exist.
#include "steps/combine/combine_kernels.h"

#include "steps/combine/combine_kernel.cuh"

namespace ggfp8::steps {

const void* combine_kernel_address(Dtype x_dtype) {
  switch (x_dtype) {
    case Dtype::kBFloat16: return reinterpret_cast<const void*>(&combine_rows<Dtype::kBFloat16>);
    case Dtype::kFloat16: return reinterpret_cast<const void*>(&combine_rows<Dtype::kFloat16>);
    default: return reinterpret_cast<const void*>(&combine_rows<Dtype::kFloat32>);
  }
}

}  // namespace ggfp8::steps
