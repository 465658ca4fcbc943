// The sm90 kernel: persistent CTAs, one per SM, of one to three consumer warpgroups and one
// producer warpgroup. This file sets up and branches into the roles:
//
//   load warp        waits for an empty stage, starts the TMA loads of a and b; without a scheduler
//                    warp it finds the tiles, too
//   scale warps      two warps; wait for an empty stage, store the scales that TMA does not load
//   scheduler warp   in clusters: finds tiles ahead of time, starts TMA stores of finished tiles
//   consumers        wait for a full stage, multiply, release the stage, promote; finish a tile
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_instances.h"
#include "backends/sm90/sm90_load_warp.cuh"
#include "backends/sm90/sm90_mainloop.cuh"
#include "backends/sm90/sm90_scale_warps.cuh"
#include "backends/sm90/sm90_scheduler_warp.cuh"
#include "backends/sm90/sm90_shared_storage.h"
#include "backends/sm90/sm90_small_mainloop.cuh"
#include "backends/sm90/sm90_swapped_mainloop.cuh"
#include "ptx/setmaxnreg.cuh"
#include "ptx/smem_address.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// Runs a consumer warpgroup until a tile without rows ends the sequence.
template <Config kConfig>
__device__ __forceinline__ void run_consumer(Consumer<kConfig> consumer) {
  for (;;) {
    consumer.pipeline.wait_full();
    const OutBlock block = consumer.block();
    if (block.num_rows == 0) break;
    if constexpr (kConfig.max_swapped_rows > 0) {
      if (block.num_rows <= kConfig.max_swapped_rows) {
        compute_swapped_tile(consumer, block);
        continue;
      }
    }
    if constexpr (kConfig.max_swapped_rows < kConfig.block_m) {
      compute_tiles(consumer, block);
    }
  }
}

// NOTE: the template parameter is the instance's index, because the compiler cannot name a kernel
// whose parameter is a struct; everything below the kernel takes the Config itself.
template <int kIdx>
__global__ void __launch_bounds__(config_of(kIdx).num_threads(), 1)
    sm90_group_gemm(const __grid_constant__ Params params) {
  constexpr Config kConfig = config_of(kIdx);
  static_assert(kConfig.registers_fit());
  static_assert(kSmemBytes[kIdx] <= kMaxSmemBytes);
  extern __shared__ uint8_t unaligned_smem[];
  uint8_t* smem = unaligned_smem + (1024 - ptx::smem_address(unaligned_smem) % 1024) % 1024;
  auto& tiles = *reinterpret_cast<TileStorage<kConfig>*>(smem + sizeof(AsyncStorage<kConfig>));
  static_assert(sizeof(SharedStorage<kConfig>) == sizeof(AsyncStorage<kConfig>) + sizeof(tiles));
  const TileRing<kConfig> ring(smem, tiles);
  if (threadIdx.x >= kConfig.num_consumer_threads()) {
    ptx::setmaxnreg_decrease<kConfig.producer_registers()>();
    const int warp =
        ptx::uniform((static_cast<int>(threadIdx.x) - kConfig.num_consumer_threads()) / 32);
    if (warp == 0) {
      run_load_warp<kConfig>(params, ring, {smem, kProducerParity});
    } else if (warp > kNumScaleWarps) {
      if constexpr (kConfig.has_scheduler_warp()) {
        run_scheduler_warp<kConfig>(params, ring);
      } else {
        start_together<kConfig>();
      }
    } else {
      run_scale_warp<kConfig>(params, ring, {smem, kProducerParity}, warp - 1);
    }
  } else {
    ptx::setmaxnreg_increase<kConfig.consumer_registers()>();
    start_together<kConfig>();
    if constexpr (kConfig.is_small()) {
      run_small_consumer<kConfig>({params, ring, {smem, kConsumerParity}});
    } else {
      run_consumer<kConfig>({params, ring, {smem, kConsumerParity}});
    }
  }
  // The other CTAs of the cluster may still arrive at barriers of this one.
  if constexpr (kConfig.cluster_size > 1) ptx::cluster_sync();
}

template <int kIdx>
const void* kernel_address() {
  return reinterpret_cast<const void*>(&sm90_group_gemm<kIdx>);
}

}  // namespace ggfp8::sm90
