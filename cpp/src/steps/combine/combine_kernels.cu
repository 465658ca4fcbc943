// The kernels of the weighted sum that exist.
#include "steps/combine/combine_kernels.h"

#include "steps/combine/combine_kernel.cuh"

namespace ggfp8::steps {
namespace {

template <bool kSmallGrid>
const void* address_of(Dtype x_dtype) {
  switch (x_dtype) {
    case Dtype::kBFloat16:
      return reinterpret_cast<const void*>(&combine_rows<Dtype::kBFloat16, kSmallGrid>);
    case Dtype::kFloat16:
      return reinterpret_cast<const void*>(&combine_rows<Dtype::kFloat16, kSmallGrid>);
    default: return reinterpret_cast<const void*>(&combine_rows<Dtype::kFloat32, kSmallGrid>);
  }
}

}  // namespace

const void* combine_kernel_address(Dtype x_dtype, bool small_grid) {
  return small_grid ? address_of<true>(x_dtype) : address_of<false>(x_dtype);
}

}  // namespace ggfp8::steps
