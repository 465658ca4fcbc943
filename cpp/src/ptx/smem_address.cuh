// Addresses of shared memory in the form that the other instruction families take.
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

__device__ __forceinline__ uint32_t smem_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

}  // namespace ggfp8::ptx
