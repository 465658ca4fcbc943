// Finished tiles, on their way from the consumers to the warp that finds tiles. Where rows leave by
// bulk copies, consumer warps fill boxes in shared memory and that warp starts the copies, which go
// on while the next tile is multiplied. Starting them takes a warp several hundred cycles, which
// the consumers do not have.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_tile_sequence.cuh"
#include "ptx/elect.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/smem_address.cuh"
#include "ptx/tma.cuh"

namespace ggfp8::sm90 {

// The boxes of all consumer warps, and two barriers per warpgroup: filled completes when its warps
// are done with a tile, and have filled their boxes if they have any; free when that has been seen,
// and the boxes have been read.
template <Config kConfig>
class OutBoxes {
 public:
  // `smem` is the aligned start of shared memory.
  __device__ __forceinline__ explicit OutBoxes(uint8_t* smem) : smem_(ptx::smem_address(smem)) {}

  // One thread of the CTA, before anybody waits.
  __device__ __forceinline__ void init() const {
    for (int i = 0; i < kConfig.num_consumers; ++i) {
      ptx::mbarrier_init(filled(i), 4 * ptx::kArrivalsPerWarp);
      ptx::mbarrier_init(free(i), ptx::kArrivalsPerWarp);
    }
  }

  // Those of a consumer warp.
  __device__ __forceinline__ uint32_t of(uint32_t warp) const {
    return smem_ + kConfig.store_offset() + warp * kConfig.num_store_boxes() * kStoreBoxBytes;
  }

  // Whole warps. Every tile of the CTA has its turn, also where a warpgroup has no part of it.
  __device__ __forceinline__ void wait_free(int warpgroup, uint32_t tile_idx) const {
    ptx::mbarrier_wait_warp(free(warpgroup), tile_idx % 2 ^ 1);
  }
  __device__ __forceinline__ void signal_filled(int warpgroup) const {
    __syncwarp();
    ptx::mbarrier_arrive_warp(filled(warpgroup));
  }
  __device__ __forceinline__ bool is_filled(int warpgroup, uint32_t tile_idx) const {
    return ptx::uniform(ptx::mbarrier_test(filled(warpgroup), tile_idx % 2)) != 0;
  }
  __device__ __forceinline__ void wait_filled(int warpgroup, uint32_t tile_idx) const {
    ptx::mbarrier_wait_warp(filled(warpgroup), tile_idx % 2);
  }
  __device__ __forceinline__ void signal_free(int warpgroup) const {
    __syncwarp();
    ptx::mbarrier_arrive_warp(free(warpgroup));
  }

 private:
  __device__ __forceinline__ uint32_t filled(int warpgroup) const {
    return smem_ + kConfig.release_barriers_offset() + warpgroup * 16;
  }
  __device__ __forceinline__ uint32_t free(int warpgroup) const { return filled(warpgroup) + 8; }

  uint32_t smem_;
};

// Whole warps: starts the bulk copies of a warpgroup's part of a tile.
template <Config kConfig>
__device__ __forceinline__ void start_boxes(const Params& params, const OutBlock& tile,
                                            int warpgroup, const OutBoxes<kConfig>& boxes,
                                            bool is_leader) {
  const auto part = WarpgroupPart::make<kConfig>(tile, warpgroup);
  if (!part.template is_full_width<kConfig>() || !is_leader) return;
  ptx::tma_store_fence();
  const int32_t row_end = tile.row_begin + tile.num_rows;
#pragma unroll 1
  for (int warp = 0; warp < 4; ++warp) {
    const int32_t row = tile.row_begin + part.row_begin + warp * 16;
    if (!is_full_box(row, row_end)) break;
#pragma unroll
    for (int i = 0; i < kConfig.num_store_boxes(); ++i) {
      ptx::tma_store(params.out_map, boxes.of(warpgroup * 4 + warp) + i * kStoreBoxBytes,
                     (tile.col_begin + i * 64) * 2, row);
    }
  }
  ptx::tma_store_commit();
  ptx::tma_store_wait_read();
}

}  // namespace ggfp8::sm90
