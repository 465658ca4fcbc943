// The sm90 kernel: persistent CTAs, one per SM, of two consumer warpgroups and one producer
// warpgroup. This file sets up and branches into the roles:
//
//   tiles      one thread: wait for an empty stage, start the bulk copies of a and b
//   scales     one warp: the same stage's scales
//   consumer   wait for a full stage, multiply, give it back, promote; store a finished tile
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_epilogue.cuh"
#include "backends/sm90/sm90_instances.h"
#include "backends/sm90/sm90_mainloop.cuh"
#include "backends/sm90/sm90_producer.cuh"
#include "ptx/setmaxnreg.cuh"

namespace ggfp8::sm90 {

__device__ inline int num_rows_of_tile(const Params& params, const ScheduleStorage& storage,
                                       int64_t tile_idx) {
  const Tile tile = find_tile(params.schedule, storage, params.num_n_tiles, kTileN, tile_idx);
  // Shuffled, so that the compiler knows that branches on it do not diverge.
  return __shfl_sync(0xFFFFFFFFu, tile.row_end - tile.row_begin, 0);
}

template <Config kConfig>
__device__ __forceinline__ void consume(const Params& params, const ScheduleStorage& storage,
                                        Pipeline<kConfig> pipeline) {
  const ThreadPosition position;
  const int64_t num_tiles = int64_t{storage.num_m_tiles} * params.num_n_tiles;
  for (int64_t tile_idx = blockIdx.x; tile_idx < num_tiles; tile_idx += gridDim.x) {
    const int num_rows = num_rows_of_tile(params, storage, tile_idx);
    Accumulator<kConfig> main_acc = {};
    for (int k_block_idx = 0; k_block_idx < params.num_k_blocks; ++k_block_idx) {
      pipeline.wait_full();
      accumulate_k_block<kConfig>(main_acc, pipeline, position, num_rows);
      pipeline.advance();
    }
    // Found again rather than kept: the accumulators leave no registers.
    const Tile tile = find_tile(params.schedule, storage, params.num_n_tiles, kTileN, tile_idx);
    store_tile<kConfig>(main_acc, position, tile, params);
  }
}

// NOTE: the template parameter is the instance's index, because the compiler cannot name a kernel
// whose parameter is a struct; everything below the kernel takes the Config itself.
template <int kIdx>
__global__ void __launch_bounds__(kNumThreads, 1)
    sm90_group_gemm(const __grid_constant__ Params params) {
  constexpr Config kConfig = config_of(kIdx);
  static_assert(sizeof(ScheduleStorage) <= (kNumChunks + 2) * 8);
  static_assert(kConfig.stage_bytes() % 1024 == 0 && kConfig.smem_bytes() <= 232448);
  extern __shared__ uint8_t unaligned_smem[];
  uint8_t* smem = unaligned_smem + (1024 - ptx::smem_address(unaligned_smem) % 1024) % 1024;
  const uint32_t smem_begin = ptx::smem_address(smem);
  ScheduleStorage& storage = *reinterpret_cast<ScheduleStorage*>(smem + kConfig.schedule_offset());
  if (threadIdx.x == 0) {
    Pipeline<kConfig>::init(smem_begin);
    ptx::tma_prefetch(params.a_map);
    ptx::tma_prefetch(params.b_map);
  }
  build_schedule(params.schedule, storage);

  if (threadIdx.x >= kNumConsumerThreads) {
    ptx::setmaxnreg_decrease<kProducerRegisters>();
    const int warp = static_cast<int>(threadIdx.x - kNumConsumerThreads) / 32;
    const Pipeline<kConfig> pipeline(smem_begin, 1);
    if (warp == 0 && threadIdx.x % 32 == 0) produce_tiles<kConfig>(params, storage, pipeline);
    if (warp == 1) produce_scales<kConfig>(params, storage, pipeline);
  } else {
    ptx::setmaxnreg_increase<kConsumerRegisters>();
    consume<kConfig>(params, storage, Pipeline<kConfig>(smem_begin, 0));
  }
}

template <int kIdx>
const void* kernel_address() {
  return reinterpret_cast<const void*>(&sm90_group_gemm<kIdx>);
}

}  // namespace ggfp8::sm90
