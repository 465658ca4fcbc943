// Thread block clusters: CTAs that run at the same time and see each other's shared memory (sm_90
// and later).
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

// This CTA's place in its cluster; 0 without one.
__device__ __forceinline__ uint32_t cluster_rank() {
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// All threads of all CTAs of the cluster, whole warps: waits for the last of them.
__device__ __forceinline__ void cluster_sync() {
  asm volatile(
      "barrier.cluster.arrive.release.aligned;\n"
      "barrier.cluster.wait.acquire.aligned;" ::
          : "memory");
}

// Arrives at the barrier that lies at this address in the shared memory of the CTA of that rank.
// The release is the CTA's own: a wider one would wait for all global stores of the thread.
__device__ __forceinline__ void mbarrier_arrive_at(uint32_t barrier, uint32_t rank) {
  asm volatile(
      "{\n"
      ".reg .b32 remote;\n"
      "mapa.shared::cluster.u32 remote, %0, %1;\n"
      "mbarrier.arrive.shared::cluster.b64 _, [remote];\n"
      "}" ::"r"(barrier),
      "r"(rank)
      : "memory");
}

}  // namespace ggfp8::ptx
