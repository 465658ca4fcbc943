// The two rings of stages between the producer warps and the consumer warpgroups: the tiles of a
// and b, one k-block per stage, and the scales, several k-blocks per stage together with the tile
// of the output that they belong to.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_config.h"
#include "core/tile_scheduler.cuh"
#include "ptx/cluster.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/smem_address.cuh"
#include "ptx/wgmma.cuh"

namespace ggfp8::sm90 {

// A position in a ring of stages; every role has its own. Each stage has two barriers: full
// completes when its contents have arrived, empty when every consumer warp of every CTA that they
// were meant for has read them for the last time.
template <int kNumStages, int kClusterSize = 1>
class Ring {
 public:
  // initial_parity is 1 for producers, whose first stages are empty already, and 0 for consumers.
  __device__ __forceinline__ Ring(uint32_t barriers, uint32_t initial_parity)
      : barriers_(barriers), parity_(initial_parity) {}

  // One thread of the CTA, before anybody waits.
  __device__ __forceinline__ static void init(uint32_t barriers, int num_producers,
                                              int num_consumer_warps) {
    for (int i = 0; i < kNumStages; ++i) {
      ptx::mbarrier_init(barriers + i * 8, num_producers);
      ptx::mbarrier_init(barriers + (kNumStages + i) * 8, num_consumer_warps * kClusterSize);
    }
  }

  __device__ __forceinline__ uint32_t full() const { return barriers_ + stage_idx_ * 8; }
  __device__ __forceinline__ void wait_full() const { ptx::mbarrier_wait(full(), parity_); }
  __device__ __forceinline__ bool test_full() const { return ptx::mbarrier_test(full(), parity_); }
  __device__ __forceinline__ void wait_empty() const { ptx::mbarrier_wait(empty(), parity_); }

  // All lanes of a producer warp, behind their last write.
  __device__ __forceinline__ void signal_full() const {
    __syncwarp();
    if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive(full());
  }

  // All lanes of a consumer warp, behind their last read.
  __device__ __forceinline__ void signal_empty() const {
    __syncwarp();
    if constexpr (kClusterSize == 1) {
      if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive(empty());
    } else if (threadIdx.x % 32 < kClusterSize) {
      ptx::mbarrier_arrive_at(empty(), threadIdx.x % 32);
    }
  }

  __device__ __forceinline__ void advance() {
    const bool wraps = stage_idx_ == kNumStages - 1;
    stage_idx_ = wraps ? 0 : stage_idx_ + 1;
    parity_ ^= wraps ? 1 : 0;
  }

 protected:
  __device__ __forceinline__ uint32_t stage_idx() const { return stage_idx_; }

 private:
  __device__ __forceinline__ uint32_t empty() const { return full() + kNumStages * 8; }

  uint32_t barriers_;
  uint32_t parity_;
  uint32_t stage_idx_ = 0;
};

// The tiles of a and b. A stage is full when all their bytes are there, those that another CTA of
// the cluster has loaded included.
template <Config kConfig>
class TilePipeline : public Ring<kConfig.num_stages, kConfig.cluster_size> {
 public:
  // `smem` is the aligned start of shared memory.
  __device__ __forceinline__ TilePipeline(uint32_t smem, uint32_t initial_parity)
      : Ring<kConfig.num_stages, kConfig.cluster_size>(smem + kConfig.barriers_offset(),
                                                       initial_parity),
        smem_(smem) {}

  __device__ __forceinline__ uint32_t a_tile() const {
    return smem_ + this->stage_idx() * kConfig.stage_bytes();
  }
  __device__ __forceinline__ uint32_t b_tile() const { return a_tile() + kConfig.a_bytes(); }

 private:
  uint32_t smem_;
};

// The scales of kScaleStageKBlocks k-blocks or of what is left of them, and the tile. A k-block has
// the scales of the tile's rows, then the one of its columns.
template <Config kConfig>
class ScalePipeline : public Ring<kNumScaleStages> {
 public:
  __device__ __forceinline__ ScalePipeline(uint8_t* smem, uint32_t initial_parity)
      : Ring(ptx::smem_address(smem) + kConfig.scale_barriers_offset(), initial_parity),
        scales_(smem + kConfig.scales_offset()) {}

  __device__ __forceinline__ Tile& tile() const {
    static_assert(sizeof(Tile) <= kTileRecordBytes);
    return *reinterpret_cast<Tile*>(scales_ + this->stage_idx() * kConfig.scale_stage_bytes());
  }

  // Of k-block k_block_idx of the stage.
  __device__ __forceinline__ float* scales(int k_block_idx) const {
    return reinterpret_cast<float*>(scales_ + this->stage_idx() * kConfig.scale_stage_bytes() +
                                    kTileRecordBytes + k_block_idx * kConfig.scale_bytes());
  }

 private:
  uint8_t* scales_;
};

}  // namespace ggfp8::sm90
