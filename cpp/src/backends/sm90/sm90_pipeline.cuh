// The ring of stages between the producer warps and the consumer warpgroups. A stage has what one
// k-block needs: the tiles of a and b, and the scales of their rows and columns.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_config.h"
#include "ptx/cluster.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/smem_address.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// A position in the ring; every role has its own. Each stage has two barriers: full completes when
// the warp that starts the bulk copies and the one that stores scales have arrived, and all bytes,
// those that another CTA of the cluster has loaded included; empty when every consumer warp of
// every CTA that shares a stage has read it for the last time.
template <Config kConfig>
class Pipeline {
 public:
  // `smem` is the aligned start of shared memory. initial_parity is 1 for producers, whose first
  // stages are empty already, and 0 for consumers.
  __device__ __forceinline__ Pipeline(uint8_t* smem, uint32_t initial_parity)
      : smem_(smem), smem_address_(ptx::smem_address(smem)), parity_(initial_parity) {}

  // One thread of the CTA, before anybody waits.
  __device__ __forceinline__ void init() const {
    for (int i = 0; i < kNumStages; ++i) {
      ptx::mbarrier_init(full(i), 1 + ptx::kArrivalsPerWarp);
      ptx::mbarrier_init(empty(i), kConfig.num_consumer_threads() / 32 * kConfig.cluster_size *
                                       ptx::kArrivalsPerWarp);
    }
  }

  // Waiting and signalling is for whole warps.
  __device__ __forceinline__ void wait_full() const {
    ptx::mbarrier_wait_warp(full(stage_idx_), parity_);
  }
  __device__ __forceinline__ void wait_empty() const {
    ptx::mbarrier_wait_warp(empty(stage_idx_), parity_);
  }

  // Behind the last write.
  __device__ __forceinline__ void signal_full() const {
    __syncwarp();
    ptx::mbarrier_arrive_warp(full(stage_idx_));
  }

  // In place of bulk copies, by the warp that starts them.
  __device__ __forceinline__ void signal_no_copies() const {
    __syncwarp();
    ptx::mbarrier_arrive_warp<1>(full(stage_idx_));
  }

  // Behind the last read.
  __device__ __forceinline__ void signal_empty() const {
    __syncwarp();
    ptx::RemoteArrival<kConfig.cluster_size>(empty(stage_idx_)).arrive();
  }

  // In front of a loop: wgmma and bulk copies want what they are addressed with in uniform
  // registers.
  __device__ __forceinline__ void make_uniform() {
    stage_idx_ = ptx::uniform(stage_idx_);
    parity_ = ptx::uniform(parity_);
  }

  __device__ __forceinline__ void advance() {
    const bool wraps = stage_idx_ == kNumStages - 1;
    stage_idx_ = wraps ? 0 : stage_idx_ + 1;
    parity_ ^= wraps ? 1 : 0;
  }

  __device__ __forceinline__ void advance(int num_stages) {
    const uint32_t idx = stage_idx_ + num_stages;
    move_to(idx % kNumStages, parity_ ^ (idx / kNumStages % 2));
  }

  __device__ __forceinline__ void move_to(uint32_t stage_idx, uint32_t parity) {
    stage_idx_ = stage_idx;
    parity_ = parity;
  }

  __device__ __forceinline__ uint32_t stage_idx() const { return stage_idx_; }
  __device__ __forceinline__ uint32_t parity() const { return parity_; }

  // Of this stage.
  __device__ __forceinline__ uint32_t full() const { return full(stage_idx_); }
  __device__ __forceinline__ uint32_t a_tile() const { return a_tile(stage_idx_); }
  __device__ __forceinline__ uint32_t b_tile() const { return a_tile() + kConfig.a_bytes(); }
  __device__ __forceinline__ float* scales() const {
    return reinterpret_cast<float*>(smem_ + kConfig.scales_offset() +
                                    stage_idx_ * kConfig.scale_bytes());
  }

  // Addresses of any stage.
  __device__ __forceinline__ uint32_t full(int stage_idx) const {
    return smem_address_ + kConfig.barriers_offset() + stage_idx * 8;
  }
  __device__ __forceinline__ uint32_t empty(int stage_idx) const {
    return full(stage_idx) + kNumStages * 8;
  }
  __device__ __forceinline__ uint32_t a_tile(int stage_idx) const {
    return smem_address_ + stage_idx * kConfig.stage_bytes();
  }
  __device__ __forceinline__ uint32_t scales(int stage_idx) const {
    return smem_address_ + kConfig.scales_offset() + stage_idx * kConfig.scale_bytes();
  }

 private:
  static constexpr int kNumStages = kConfig.num_stages;

  uint8_t* smem_;
  uint32_t smem_address_;
  uint32_t parity_;
  uint32_t stage_idx_ = 0;
};

}  // namespace ggfp8::sm90
