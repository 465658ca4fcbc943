// TMA: loads and stores of boxes of a tensor map (sm_90 and later).
//
// One thread starts a load; its bytes complete on an mbarrier. Parts of a box outside the tensor
// arrive as zeros.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace ggfp8::ptx {

__device__ __forceinline__ void tma_prefetch(const CUtensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

// Loads the box at element `x` of row `y` of matrix `z`.
__device__ __forceinline__ void tma_load(uint32_t smem, const CUtensorMap& map, uint32_t barrier,
                                         int32_t x, int32_t y, int32_t z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5}], [%2];" ::"r"(smem),
      "l"(&map), "r"(barrier), "r"(x), "r"(y), "r"(z)
      : "memory");
}

// Loads the box at element `x` of row `y`, from piece `z` of matrix `w` on.
__device__ __forceinline__ void tma_load_deep(uint32_t smem, const CUtensorMap& map,
                                              uint32_t barrier, int32_t x, int32_t y, int32_t z,
                                              int32_t w) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(smem),
      "l"(&map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(w)
      : "memory");
}

// Loads the box into the shared memory of every CTA of the cluster whose rank's bit is set, at this
// address in each. In each CTA the bytes complete on the barrier at this address.
__device__ __forceinline__ void tma_load_multicast(uint32_t smem, const CUtensorMap& map,
                                                   uint32_t barrier, int32_t x, int32_t y,
                                                   int32_t z, uint16_t ranks) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes"
      ".multicast::cluster [%0], [%1, {%3, %4, %5}], [%2], %6;" ::"r"(smem),
      "l"(&map), "r"(barrier), "r"(x), "r"(y), "r"(z), "h"(ranks)
      : "memory");
}

// Makes writes to shared memory visible to the TMA stores that this thread starts afterwards: its
// own writes, and writes of threads for whose arrival it has waited.
__device__ __forceinline__ void tma_store_fence() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Stores a box. Parts of the box outside the tensor are not written.
__device__ __forceinline__ void tma_store(const CUtensorMap& map, uint32_t smem, int32_t x,
                                          int32_t y, int32_t z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(&map),
      "r"(smem), "r"(x), "r"(y), "r"(z)
      : "memory");
}

// Closes this thread's batch of stores.
__device__ __forceinline__ void tma_store_commit() {
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

// Waits until all batches of this thread have read their shared memory.
__device__ __forceinline__ void tma_store_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
}

// Loads plain memory without a tensor map. Addresses and size are multiples of 16 bytes.
__device__ __forceinline__ void bulk_load(uint32_t smem, const void* global, uint32_t barrier,
                                          uint32_t num_bytes) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %3, [%2];" ::
          "r"(smem),
      "l"(__cvta_generic_to_global(global)), "r"(barrier), "r"(num_bytes)
      : "memory");
}

// Stores plain memory without a tensor map, in this thread's batch of stores. Addresses and size
// are multiples of 16 bytes.
__device__ __forceinline__ void bulk_store(void* global, uint32_t smem, uint32_t num_bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(
                   __cvta_generic_to_global(global)),
               "r"(smem), "r"(num_bytes)
               : "memory");
}

}  // namespace ggfp8::ptx
