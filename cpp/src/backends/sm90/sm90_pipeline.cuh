// The ring of stages between the producer warps and the consumer warpgroups. A stage holds what its
// k-blocks need: the blocks of a and b, and the scales of their rows and columns. The last stage of
// a tile may have fewer k-blocks than others.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_config.h"
#include "backends/sm90/sm90_shared_storage.h"
#include "ptx/cluster.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/smem_address.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// Waits until the barriers of the CTA, and of all CTAs of its cluster, are initialised. Every warp
// calls it once, after what it can prepare without them.
template <Config kConfig>
__device__ __forceinline__ void start_together() {
  if constexpr (kConfig.cluster_size > 1) {
    ptx::cluster_sync();
  } else {
    __syncthreads();
  }
}

// Parities with which positions begin. Producers wait for the phase before the first: all stages
// count as empty at once. Consumers wait for the first phase.
constexpr uint32_t kProducerParity = 1;
constexpr uint32_t kConsumerParity = 0;

// A position in the ring. Every role has its own. A stage has two barriers:
//
//   full    completes when the load warp and a scale warp have arrived and all bytes of TMA loads
//           are there, including those that another CTA of the cluster loads
//   empty   completes when every consumer warp of every CTA of the cluster has read the stage for
//           the last time: a multicast writes the stage of all CTAs
template <Config kConfig>
class Pipeline {
 public:
  using Storage = AsyncStorage<kConfig>;
  using Stage = typename Storage::Stage;
  using Scales = typename Storage::Scales;

  // initial_parity is kProducerParity or kConsumerParity.
  __device__ __forceinline__ Pipeline(uint8_t* smem, uint32_t initial_parity)
      : smem_(smem), address_(ptx::smem_address(smem)), parity_(initial_parity) {}

  // Initialises the barriers. One thread of the CTA calls it before start_together().
  __device__ __forceinline__ void init() const {
    for (int i = 0; i < kNumStages; ++i) {
      ptx::mbarrier_init(full(i), 1 + ptx::kArrivalsPerWarp);
      ptx::mbarrier_init(empty(i), kConfig.num_consumer_threads() / 32 * kConfig.cluster_size *
                                       ptx::kArrivalsPerWarp);
    }
  }

  // Waiting and signalling is warp-collective.
  __device__ __forceinline__ void wait_full() const {
    ptx::mbarrier_wait_warp(full(stage_idx_), parity_);
  }
  __device__ __forceinline__ void wait_empty() const {
    ptx::mbarrier_wait_warp(empty(stage_idx_), parity_);
  }

  // Arrives for a scale warp, after its last write.
  __device__ __forceinline__ void signal_full() const {
    __syncwarp();
    ptx::mbarrier_arrive_warp(full(stage_idx_));
  }

  // Arrives for the load warp where it starts no loads.
  __device__ __forceinline__ void signal_no_loads() const {
    __syncwarp();
    ptx::mbarrier_arrive_warp<1>(full(stage_idx_));
  }

  // Arrives for a consumer warp, after its last read.
  __device__ __forceinline__ void signal_empty() const {
    __syncwarp();
    ptx::RemoteArrival<kConfig.cluster_size>(empty(stage_idx_)).arrive();
  }

  // Moves the position to uniform registers, from which wgmma and TMA take addresses. Called before
  // a loop.
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

  // Addresses of the current stage.
  __device__ __forceinline__ uint32_t full() const { return full(stage_idx_); }
  __device__ __forceinline__ uint32_t a() const { return a(stage_idx_); }
  __device__ __forceinline__ uint32_t b() const { return b(stage_idx_); }
  __device__ __forceinline__ uint32_t sfa() const { return sfa(stage_idx_); }
  __device__ __forceinline__ float* scales() const {
    return reinterpret_cast<float*>(smem_ + kScalesOffset + stage_idx_ * kScalesBytes);
  }

  // Addresses of any stage.
  // NOTE: sums of 32-bit offsets. Indexing the struct's arrays would change the machine code, which
  // was timed with these sums.
  __device__ __forceinline__ uint32_t full(int idx) const {
    return address_ + kFullOffset + idx * kBarrierBytes;
  }
  __device__ __forceinline__ uint32_t empty(int idx) const {
    return full(idx) + (kEmptyOffset - kFullOffset);
  }
  __device__ __forceinline__ uint32_t a(int idx) const { return address_ + idx * kStageBytes; }
  __device__ __forceinline__ uint32_t b(int idx) const { return a(idx) + kBOffset; }
  __device__ __forceinline__ uint32_t sfa(int idx) const {
    return address_ + kScalesOffset + idx * kScalesBytes;
  }
  __device__ __forceinline__ uint32_t sfb(int idx) const { return sfa(idx) + kSfbOffset; }

 private:
  static constexpr int kNumStages = kConfig.num_stages;
  static constexpr int kBarrierBytes = sizeof(uint64_t);
  static constexpr int kStageBytes = sizeof(Stage);
  static constexpr int kScalesBytes = sizeof(Scales) * kConfig.scale_blocks_per_stage();
  static constexpr int kBOffset = offsetof(Stage, b);
  static constexpr int kSfbOffset = offsetof(Scales, sfb);
  static constexpr int kFullOffset = offsetof(Storage, full);
  static constexpr int kEmptyOffset = offsetof(Storage, empty);
  static constexpr int kScalesOffset = offsetof(Storage, scales);

  uint8_t* smem_;
  uint32_t address_;
  uint32_t parity_;
  uint32_t stage_idx_ = 0;
};

}  // namespace ggfp8::sm90
