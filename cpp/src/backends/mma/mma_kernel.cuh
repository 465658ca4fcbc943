// The mma kernel: persistent CTAs, each taking tiles in turn; a multi-stage cp.async pipeline
// feeds the k-blocks of one tile after the other to all warps.
//
// Per k-block: wait for its stage, multiply and promote, release the stage, then let the loader
// run one k-block further.
#pragma once

#include <cstdint>

#include "backends/mma/mma_epilogue.cuh"
#include "backends/mma/mma_instances.h"
#include "backends/mma/mma_loader.cuh"
#include "backends/mma/mma_mainloop.cuh"
#include "backends/mma/mma_pipeline.cuh"
#include "backends/mma/mma_shared_storage.h"
#include "backends/mma/mma_tiles.cuh"
#include "ptx/smem_address.cuh"

namespace ggfp8::mma {

// NOTE: the template parameter is the instance's index, because the compiler cannot name a kernel
// whose parameter is a struct; everything below the kernel takes the Config itself.
template <int kIdx>
__global__ void __launch_bounds__(config_of(kIdx).num_threads(), config_of(kIdx).num_ctas_per_sm)
    mma_group_gemm(const __grid_constant__ Params params) {
  constexpr Config kConfig = config_of(kIdx);
  using Storage = SharedStorage<kConfig>;
  extern __shared__ __align__(128) uint8_t smem[];
  ScheduleStorage& schedule = *reinterpret_cast<ScheduleStorage*>(smem);
  const uint32_t barriers = ptx::smem_address(smem + offsetof(Storage, full));
  const uint32_t stages = ptx::smem_address(smem + offsetof(Storage, stages));
  if (threadIdx.x == 0) Pipeline<kConfig>::init(barriers);
  build_schedule(params.schedule, schedule);

  Loader<kConfig> loader(params, schedule, Pipeline<kConfig>(barriers, stages, kFillParity));
  for (int i = 0; i < kConfig.num_stages - 1; ++i) loader.issue();

  const WarpTile<kConfig> warp;
  const int num_steps = params.granularity_k / 32;
  const bool one_sfb = params.granularity_n >= 64;
  const bool full = one_sfb && params.granularity_k == kStageK;
  const int64_t tile_end = num_tiles(params, schedule);
  Pipeline<kConfig> pipeline(barriers, stages, kReadParity);
  for (int64_t tile_idx = blockIdx.x; tile_idx < tile_end; tile_idx += gridDim.x) {
    typename WarpTile<kConfig>::Accumulator main_acc = {};
    for (int k_block_idx = 0; k_block_idx < params.num_k_blocks; ++k_block_idx) {
      pipeline.wait_full();
      if (full) {
        accumulate_k_block<kConfig, true>(main_acc, warp, pipeline.stage(), num_steps, one_sfb);
      } else {
        accumulate_k_block<kConfig, false>(main_acc, warp, pipeline.stage(), num_steps, one_sfb);
      }
      pipeline.signal_empty();
      pipeline.advance();
      loader.issue();
    }
    store_tile<kConfig>(main_acc, warp, find_tile<kConfig>(params, schedule, tile_idx), params);
  }
}

template <int kIdx>
const void* kernel_address() {
  return reinterpret_cast<const void*>(&mma_group_gemm<kIdx>);
}

}  // namespace ggfp8::mma
