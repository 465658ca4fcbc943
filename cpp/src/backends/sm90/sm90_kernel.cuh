// The sm90 kernel: persistent CTAs, one per SM, of two or three consumer warpgroups and one
// producer warpgroup. This file sets up and branches into the roles:
//
//   tiles      one warp: wait for an empty stage, start the bulk copies of a and b
//   scales     two warps: wait for an empty stage, store the scales that are not copied
//   finder     one warp: find tiles ahead; wait for finished rows, start their bulk copies
//   consumer   wait for a full stage, multiply, give it back, promote; store a finished tile
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_instances.h"
#include "backends/sm90/sm90_load_warp.cuh"
#include "backends/sm90/sm90_mainloop.cuh"
#include "backends/sm90/sm90_scale_warps.cuh"
#include "backends/sm90/sm90_scheduler_warp.cuh"
#include "backends/sm90/sm90_swapped_mainloop.cuh"
#include "ptx/setmaxnreg.cuh"
#include "ptx/smem_address.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// Rows go on from tile to tile for as long as they can; a tile without rows is the end.
template <Config kConfig>
__device__ __forceinline__ void consume(Consumer<kConfig> consumer) {
  for (;;) {
    consumer.pipeline.wait_full();
    const OutBlock tile = consumer.tile();
    if (tile.num_rows == 0) break;
    if constexpr (kConfig.max_swapped_rows > 0) {
      if (tile.num_rows <= kConfig.max_swapped_rows) {
        compute_columns(consumer, tile);
        continue;
      }
    }
    if constexpr (kConfig.max_swapped_rows < kConfig.block_m) compute_rows(consumer, tile);
  }
}

// NOTE: the template parameter is the instance's index, because the compiler cannot name a kernel
// whose parameter is a struct; everything below the kernel takes the Config itself.
template <int kIdx>
__global__ void __launch_bounds__(config_of(kIdx).num_threads(), 1)
    sm90_group_gemm(const __grid_constant__ Params params) {
  constexpr Config kConfig = config_of(kIdx);
  static_assert(kConfig.registers_fit());
  static_assert(sizeof(TileStorage) <= kTileStorageBytes);
  static_assert(kConfig.stage_bytes() % 1024 == 0 && kConfig.smem_bytes() <= 232448);
  extern __shared__ uint8_t unaligned_smem[];
  uint8_t* smem = unaligned_smem + (1024 - ptx::smem_address(unaligned_smem) % 1024) % 1024;
  TileStorage& storage = *reinterpret_cast<TileStorage*>(smem + kConfig.tile_storage_offset());
  if (threadIdx.x == 0) {
    Pipeline<kConfig>(smem, 0).init();
    OutBoxes<kConfig>(smem).init();
    ptx::mbarrier_init_fence();
    ptx::tma_prefetch(params.a_map);
    ptx::tma_prefetch(params.b_map);
  }
  TileSequence<kConfig>::prepare(params, storage);
  if constexpr (kConfig.cluster_size > 1) {
    ptx::cluster_sync();
  } else {
    __syncthreads();
  }

  if (threadIdx.x >= kConfig.num_consumer_threads()) {
    ptx::setmaxnreg_decrease<kConfig.producer_registers()>();
    const int warp =
        ptx::uniform((static_cast<int>(threadIdx.x) - kConfig.num_consumer_threads()) / 32);
    if (warp == 0) {
      produce_tiles<kConfig>(params, storage, Pipeline<kConfig>(smem, 1));
    } else if (warp > kNumScaleWarps) {
      find_tiles<kConfig>(params, storage, OutBoxes<kConfig>(smem));
    } else {
      produce_scales<kConfig>(params, storage, Pipeline<kConfig>(smem, 1), warp - 1);
    }
  } else {
    ptx::setmaxnreg_increase<kConfig.consumer_registers()>();
    consume<kConfig>({params, storage, {smem, 0}, OutBoxes<kConfig>(smem)});
  }
  // The other CTAs of the cluster may still arrive at barriers of this one.
  if constexpr (kConfig.cluster_size > 1) ptx::cluster_sync();
}

template <int kIdx>
const void* kernel_address() {
  return reinterpret_cast<const void*>(&sm90_group_gemm<kIdx>);
}

}  // namespace ggfp8::sm90
