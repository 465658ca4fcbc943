// Pipeline: the ring of stages between the producer warps and the consumer warpgroups.
//
// full_barrier completes when both tiles and all scales of a stage have arrived: one arrival of the
// thread that starts the bulk copies, with their bytes, and one of every lane that copies scales.
// empty_barrier completes when every consumer warp has used the stage for the last time.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_config.h"
#include "ptx/mbarrier.cuh"

namespace ggfp8::sm90 {

// A position in the ring. Every role counts its own.
template <Config kConfig>
class Pipeline {
 public:
  // `smem` is the aligned start of shared memory; initial_parity is 1 for producers, whose first
  // stages are empty already, and 0 for consumers.
  __device__ __forceinline__ Pipeline(uint32_t smem, uint32_t initial_parity)
      : smem_(smem), parity_(initial_parity) {}

  // One thread of the CTA, before anybody waits.
  __device__ __forceinline__ static void init(uint32_t smem) {
    const uint32_t barriers = smem + kConfig.barriers_offset();
    for (int i = 0; i < kConfig.num_stages; ++i) {
      ptx::mbarrier_init(barriers + i * 8, 1 + 32);
      ptx::mbarrier_init(barriers + (kConfig.num_stages + i) * 8, kNumConsumerThreads / 32);
    }
    ptx::mbarrier_init_fence();
  }

  __device__ __forceinline__ void wait_full() const { ptx::mbarrier_wait(full(), parity_); }
  __device__ __forceinline__ void wait_empty() const { ptx::mbarrier_wait(empty(), parity_); }

  // All lanes of a consumer warp, behind their last read.
  __device__ __forceinline__ void signal_empty() const {
    __syncwarp();
    if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive(empty());
  }

  __device__ __forceinline__ void advance() {
    if (++stage_idx_ < kConfig.num_stages) return;
    stage_idx_ = 0;
    parity_ ^= 1;
  }

  __device__ __forceinline__ uint32_t full() const {
    return smem_ + kConfig.barriers_offset() + stage_idx_ * 8;
  }
  __device__ __forceinline__ uint32_t a_tile() const {
    return smem_ + stage_idx_ * kConfig.stage_bytes();
  }
  __device__ __forceinline__ uint32_t b_tile() const { return a_tile() + kConfig.a_bytes(); }

  // The scales of the tile's rows, and the one of its columns behind them.
  __device__ __forceinline__ uint32_t scales() const {
    return smem_ + kConfig.scales_offset() + stage_idx_ * kConfig.scale_bytes();
  }

 private:
  __device__ __forceinline__ uint32_t empty() const { return full() + kConfig.num_stages * 8; }

  uint32_t smem_;
  uint32_t parity_;
  uint32_t stage_idx_ = 0;
};

}  // namespace ggfp8::sm90
