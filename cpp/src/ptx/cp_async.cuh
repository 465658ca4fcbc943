// cp.async: asynchronous copies from global to shared memory (sm_80 and later).
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

// Copies 16 bytes past L1. Both addresses are multiples of 16.
__device__ __forceinline__ void cp_async_16(uint32_t smem, const void* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(smem), "l"(global) : "memory");
}

// Copies 16 bytes past L1, or writes 16 zero bytes without reading if `valid` is false.
__device__ __forceinline__ void cp_async_16_or_zero(uint32_t smem, const void* global, bool valid) {
  const int source_bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(smem), "l"(global),
               "r"(source_bytes)
               : "memory");
}

// Copies 4 bytes through L1, or writes 4 zero bytes if `valid` is false.
__device__ __forceinline__ void cp_async_4_or_zero(uint32_t smem, const void* global, bool valid) {
  const int source_bytes = valid ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(smem), "l"(global),
               "r"(source_bytes)
               : "memory");
}

}  // namespace ggfp8::ptx
