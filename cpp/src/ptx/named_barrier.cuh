// Named barriers: those of a CTA beside the one of __syncthreads, 1 to 15.
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

// Whole warps, num_threads threads together: who arrives goes on, who syncs waits for all others.
__device__ __forceinline__ void named_barrier_arrive(uint32_t idx, uint32_t num_threads) {
  asm volatile("barrier.cta.arrive.aligned %0, %1;" ::"r"(idx), "r"(num_threads) : "memory");
}
__device__ __forceinline__ void named_barrier_sync(uint32_t idx, uint32_t num_threads) {
  asm volatile("barrier.cta.sync.aligned %0, %1;" ::"r"(idx), "r"(num_threads) : "memory");
}

}  // namespace ggfp8::ptx
