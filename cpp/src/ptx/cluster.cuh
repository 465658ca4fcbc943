// Thread block clusters: CTAs that run at the same time and see each other's shared memory (sm_90
// and later).
#pragma once

#include <cstdint>

#include "ptx/mbarrier.cuh"

namespace ggfp8::ptx {

// Returns this CTA's rank in its cluster; 0 without a cluster.
__device__ __forceinline__ uint32_t cluster_rank() {
  uint32_t rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// Waits until all threads of all CTAs of the cluster have called it. Warp-collective.
__device__ __forceinline__ void cluster_sync() {
  asm volatile(
      "barrier.cluster.arrive.release.aligned;\n"
      "barrier.cluster.wait.acquire.aligned;" ::
          : "memory");
}

// Arrives at the barrier at this address in the shared memory of each CTA: lane i of the first
// kNumRanks arrives in the CTA of rank i. Warp-collective. There is no branch, after which the
// compiler would no longer see that the warp stays together. The release has the scope of the CTA:
// a release of the cluster would wait for all global stores of the thread.
template <int kNumRanks>
class RemoteArrival {
 public:
  __device__ __forceinline__ explicit RemoteArrival(uint32_t barrier)
      : local_(barrier), lane_(threadIdx.x % 32) {
    asm("mapa.shared::cluster.u32 %0, %1, %2;"
        : "=r"(barrier_)
        : "r"(barrier), "r"(lane_ % kNumRanks));
  }

  // Arrives at the barrier that lies this many bytes further.
  __device__ __forceinline__ void arrive(uint32_t offset = 0) const {
    asm volatile(
        "{\n"
        ".reg .pred arrives;\n"
        "setp.lt.u32 arrives, %1, %2;\n"
        "@arrives mbarrier.arrive.shared::cluster.b64 _, [%0];\n"
        "}" ::"r"(barrier_ + offset),
        "r"(lane_), "n"(kNumRanks)
        : "memory");
    if constexpr (kArrivalsPerWarp > 1) arrive_with_others(offset);
  }

 private:
  // Lets all lanes arrive at all barriers, but for the arrivals of arrive().
  __device__ __forceinline__ void arrive_with_others(uint32_t offset) const {
#pragma unroll
    for (uint32_t rank = 0; rank < kNumRanks; ++rank) {
      uint32_t barrier;
      asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(barrier) : "r"(local_ + offset), "r"(rank));
      if (lane_ != rank) {
        asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(barrier) : "memory");
      }
    }
  }

  uint32_t local_;
  uint32_t barrier_;
  uint32_t lane_;
};

}  // namespace ggfp8::ptx
