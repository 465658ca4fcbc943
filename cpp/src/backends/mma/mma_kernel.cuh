// The mma kernel: persistent CTAs, each taking tiles in turn; a multi-stage cp.async pipeline
// feeds the k-blocks of one tile after the other to all warps.
//
// Per k-block: wait for its stage, let the loader refill the stage that was read last, multiply
// and promote. One __syncthreads() per k-block serves both directions of the hand-over.
#pragma once

#include <cstdint>

#include "backends/mma/mma_epilogue.cuh"
#include "backends/mma/mma_instances.h"
#include "backends/mma/mma_loader.cuh"
#include "backends/mma/mma_mainloop.cuh"

namespace ggfp8::mma {

// NOTE: the template parameter is the instance's index, because the compiler cannot name a kernel
// whose parameter is a struct; everything below the kernel takes the Config itself.
template <int kIdx>
__global__ void __launch_bounds__(config_of(kIdx).num_threads(), config_of(kIdx).num_ctas_per_sm)
    mma_group_gemm(const __grid_constant__ Params params) {
  constexpr Config kConfig = config_of(kIdx);
  static_assert(sizeof(ScheduleStorage) <= kConfig.schedule_bytes());
  extern __shared__ __align__(128) uint8_t smem[];
  ScheduleStorage& storage = *reinterpret_cast<ScheduleStorage*>(smem);
  uint8_t* stages = smem + kConfig.schedule_bytes();
  build_schedule(params.schedule, storage);

  Loader<kConfig> loader(params, storage, ptx::smem_address(stages));
  for (int i = 0; i < kConfig.num_stages - 1; ++i) loader.issue();

  const WarpTile<kConfig> warp;
  const int num_steps = params.granularity_k / 32;
  const bool one_sfb = params.granularity_n >= 64;
  const int64_t num_tiles = int64_t{storage.num_m_tiles} * params.num_n_tiles;
  int stage_idx = 0;
  for (int64_t tile_idx = blockIdx.x; tile_idx < num_tiles; tile_idx += gridDim.x) {
    typename WarpTile<kConfig>::Accumulator main_acc = {};
    for (int k_block_idx = 0; k_block_idx < params.num_k_blocks; ++k_block_idx) {
      // The oldest stage has arrived when only the younger ones are under way.
      ptx::cp_async_wait<kConfig.num_stages - 2>();
      __syncthreads();
      loader.issue();
      uint8_t* stage = stages + stage_idx * kConfig.stage_bytes();
      const auto* scales =
          reinterpret_cast<const float*>(stage + kConfig.a_bytes() + kConfig.b_bytes());
      accumulate_k_block<kConfig>(main_acc, warp, ptx::smem_address(stage), scales, num_steps,
                                  one_sfb);
      stage_idx = stage_idx + 1 == kConfig.num_stages ? 0 : stage_idx + 1;
    }
    const Tile tile = find_tile<kConfig.tile_n>(params, storage, tile_idx);
    store_tile<kConfig>(main_acc, warp, tile, params);
  }
}

template <int kIdx>
const void* kernel_address() {
  return reinterpret_cast<const void*>(&mma_group_gemm<kIdx>);
}

}  // namespace ggfp8::mma
