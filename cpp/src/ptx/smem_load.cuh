// Loads from addresses of shared memory.
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

__device__ __forceinline__ uint4 load_shared_16_bytes(uint32_t smem) {
  uint4 value;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "r"(smem)
               : "memory");
  return value;
}

__device__ __forceinline__ float load_shared_float(uint32_t smem) {
  float value;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(value) : "r"(smem) : "memory");
  return value;
}

// Loads four floats from an address that is a multiple of 16.
__device__ __forceinline__ void load_shared_floats(float (&values)[4], uint32_t smem) {
  asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(values[0]), "=f"(values[1]), "=f"(values[2]), "=f"(values[3])
               : "r"(smem)
               : "memory");
}

}  // namespace ggfp8::ptx
