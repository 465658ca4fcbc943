// Pipeline: the ring of stages between the copies and the arithmetic of a CTA's threads.
//
// Each stage has two barriers, at which every thread arrives once per phase. The full barrier
// completes when the copies of all threads are there, the empty barrier when all threads have read
// the stage for the last time. Warps meet nowhere else, so they may be most of a k-block apart and
// fill each other's issue slots.
#pragma once

#include <cstdint>

#include "backends/mma/mma_shared_storage.h"
#include "ptx/mbarrier.cuh"

namespace ggfp8::mma {

// Parities with which positions begin: the stages count as empty at once, and none is full.
constexpr uint32_t kFillParity = 1;
constexpr uint32_t kReadParity = 0;

// A position in the ring. Every thread has two: the stage to fill next and the stage to read next.
template <Config kConfig>
class Pipeline {
 public:
  // initial_parity is kFillParity or kReadParity.
  __device__ __forceinline__ Pipeline(uint32_t barriers, uint32_t stages, uint32_t initial_parity)
      : barriers_(barriers), stages_(stages), parity_(initial_parity) {}

  // Initialises all full barriers, then all empty ones. One thread of the CTA calls it before any
  // thread waits.
  __device__ __forceinline__ static void init(uint32_t barriers) {
    for (int i = 0; i < kConfig.num_stages; ++i) {
      ptx::mbarrier_init(barriers + i * kBarrierBytes, kConfig.num_threads());
      ptx::mbarrier_init(barriers + kEmptyOffset + i * kBarrierBytes, kConfig.num_threads());
    }
  }

  __device__ __forceinline__ void wait_full() const { ptx::mbarrier_wait(full(), parity_); }
  __device__ __forceinline__ void wait_empty() const { ptx::mbarrier_wait(empty(), parity_); }

  // Called by all threads, each after its copies.
  __device__ __forceinline__ void signal_full() const {
    ptx::mbarrier_await_copies(full());
    ptx::mbarrier_arrive(full());
  }

  // Called by all threads, each after its last read. One arrival per warp would do, but tools that
  // look for races follow single threads, and fewer arrivals are no faster.
  __device__ __forceinline__ void signal_empty() const { ptx::mbarrier_arrive(empty()); }

  __device__ __forceinline__ void advance() {
    if (++stage_idx_ < kConfig.num_stages) return;
    stage_idx_ = 0;
    parity_ ^= 1;
  }

  // Shared-memory address of the stage's data.
  __device__ __forceinline__ uint32_t stage() const { return stages_ + stage_idx_ * kStageBytes; }

 private:
  using Storage = SharedStorage<kConfig>;
  static constexpr int kBarrierBytes = sizeof(uint64_t);
  static constexpr int kStageBytes = sizeof(typename Storage::Stage);
  static constexpr int kEmptyOffset = offsetof(Storage, empty) - offsetof(Storage, full);

  __device__ __forceinline__ uint32_t full() const {
    return barriers_ + stage_idx_ * kBarrierBytes;
  }
  __device__ __forceinline__ uint32_t empty() const { return full() + kEmptyOffset; }

  uint32_t barriers_;
  uint32_t stages_;
  uint32_t parity_;
  uint32_t stage_idx_ = 0;
};

}  // namespace ggfp8::mma
