// The sm90 kernel: persistent CTAs, one per SM, of two or three consumer warpgroups and one
// producer warpgroup. This file sets up and branches into the roles:
//
//   tiles      one thread: wait for an empty stage, start the bulk copies of a and b
//   scales     three warps: the scales of the next k-blocks, and the tile they belong to
//   consumer   wait for a full stage, multiply, give it back, promote; store a finished tile
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_epilogue.cuh"
#include "backends/sm90/sm90_instances.h"
#include "backends/sm90/sm90_mainloop.cuh"
#include "backends/sm90/sm90_producer.cuh"
#include "ptx/setmaxnreg.cuh"
#include "ptx/smem_address.cuh"

namespace ggfp8::sm90 {

// What a consumer warpgroup works with; its position in the rings moves on.
template <Config kConfig>
struct Consumer {
  const Params& params;
  TilePipeline<kConfig> tiles;
  ScalePipeline<kConfig> scales;
  ThreadPosition position;

  // The first kNumBlocks blocks of this warpgroup, with that N of wgmma.
  template <int kN, int kNumBlocks>
  __device__ __forceinline__ void compute(const Tile& tile) {
    BlockAccumulator<kN> main_acc[max_of(kNumBlocks, 1)] = {};
    accumulate<kConfig, kN, kNumBlocks>(main_acc, tiles, scales, position, params.num_k_blocks);
    store_tile<kConfig, kN, kNumBlocks>(main_acc, position, tile, params);
  }

  // Rows on the N side: as few of them as hold the tile's.
  __device__ __forceinline__ void compute_swapped(const Tile& tile, int num_rows) {
    if (num_rows <= 16) {
      compute<16, 1>(tile);
    } else if (num_rows <= 32) {
      compute<32, 1>(tile);
    } else {
      compute<64, 1>(tile);
    }
  }

  // Rows on the M side: the blocks of the warpgroup that hold some of the tile's.
  __device__ __forceinline__ void compute_rows(const Tile& tile, int num_rows) {
    const int begin = position.warpgroup * 64;
    if (num_rows <= begin) {
      compute<kTileN, 0>(tile);
    } else if (kConfig.num_blocks() == 1 || num_rows <= begin + kConfig.block_stride()) {
      compute<kTileN, 1>(tile);
    } else {
      compute<kTileN, kConfig.num_blocks()>(tile);
    }
  }
};

template <Config kConfig>
__device__ __forceinline__ void consume(const ScheduleStorage& storage,
                                        Consumer<kConfig> consumer) {
  for (TileSequence<kConfig> tiles(consumer.params, storage); !tiles.done(); tiles.advance()) {
    consumer.scales.wait_full();
    const Tile tile = consumer.scales.tile();
    // Shuffled, so that the compiler knows that branches on it do not diverge.
    const int num_rows = __shfl_sync(0xFFFFFFFFu, tile.row_end - tile.row_begin, 0);
    if constexpr (kConfig.swapped) {
      consumer.compute_swapped(tile, num_rows);
    } else {
      consumer.compute_rows(tile, num_rows);
    }
  }
}

// NOTE: the template parameter is the instance's index, because the compiler cannot name a kernel
// whose parameter is a struct; everything below the kernel takes the Config itself.
template <int kIdx>
__global__ void __launch_bounds__(config_of(kIdx).num_threads(), 1)
    sm90_group_gemm(const __grid_constant__ Params params) {
  constexpr Config kConfig = config_of(kIdx);
  static_assert(sizeof(ScheduleStorage) <= (kNumChunks + 2) * 8);
  static_assert(kConfig.stage_bytes() % 1024 == 0 && kConfig.smem_bytes() <= 232448);
  static_assert(kConfig.num_blocks() <= 2 && kConfig.registers_fit());
  extern __shared__ uint8_t unaligned_smem[];
  uint8_t* smem = unaligned_smem + (1024 - ptx::smem_address(unaligned_smem) % 1024) % 1024;
  const uint32_t smem_begin = ptx::smem_address(smem);
  ScheduleStorage& storage = *reinterpret_cast<ScheduleStorage*>(smem + kConfig.schedule_offset());
  if (threadIdx.x == 0) {
    constexpr int kNumConsumerWarps = kConfig.num_consumer_threads() / 32;
    TilePipeline<kConfig>::init(smem_begin + kConfig.barriers_offset(), 1, kNumConsumerWarps);
    ScalePipeline<kConfig>::init(smem_begin + kConfig.scale_barriers_offset(), kNumScaleWarps,
                                 kNumConsumerWarps);
    ptx::mbarrier_init_fence();
    ptx::tma_prefetch(params.a_map);
    ptx::tma_prefetch(params.b_map);
  }
  build_schedule(params.schedule, storage);
  if constexpr (kConfig.cluster_size > 1) ptx::cluster_sync();

  if (threadIdx.x >= kConfig.num_consumer_threads()) {
    ptx::setmaxnreg_decrease<kConfig.producer_registers()>();
    const int warp = static_cast<int>(threadIdx.x - kConfig.num_consumer_threads()) / 32;
    if (warp == 0) {
      const TilePipeline<kConfig> tiles(smem_begin, 1);
      if (threadIdx.x % 32 == 0) produce_tiles<kConfig>(params, storage, tiles);
      __syncwarp();
    } else {
      produce_scales<kConfig>(params, storage, ScalePipeline<kConfig>(smem, 1));
    }
  } else {
    ptx::setmaxnreg_increase<kConfig.consumer_registers()>();
    consume<kConfig>(storage, {params, {smem_begin, 0}, {smem, 0}, {}});
  }
  // The other CTAs of the cluster may still arrive at barriers of this one.
  if constexpr (kConfig.cluster_size > 1) ptx::cluster_sync();
}

template <int kIdx>
const void* kernel_address() {
  return reinterpret_cast<const void*>(&sm90_group_gemm<kIdx>);
}

}  // namespace ggfp8::sm90
