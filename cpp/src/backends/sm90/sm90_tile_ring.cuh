// The tile ring: records of a CTA's tiles in shared memory, and their hand-over between the finder
// and the warps that work on them. The tiles of a CTA count from 0. With a scheduler warp:
//
//   scheduler warp               load warp, scale warps     consumer warpgroup w
//   put(t), publish(t)    ---->  wait(t)
//                                fill stages of t    ---->  wait until a stage of t is full
//                                                           get(t); multiply
//                                                           wait_taken(w, t); fill store boxes
//   wait_released(w, t)   <-------------------------------  release(w)
//   start TMA stores and wait until they have read the boxes
//   take(w)               ------------------------------->  wait_taken(w, t + 1)
//
// Who may read record t, and when:
//
//   role            reads                                last before
//   load warp       in wait(t)                           the first stage of tile t is full
//   scale warps     in wait(t)                           tile t + kNumScaleWarps - 1 is released
//   consumers       in get(t), a stage of t being full   release(w) of tile t
//   scheduler warp  in get(t)                            take(w) of tile t
//
// The load warp publishes tile 0, too, if it is the finder. No warpgroup releases tiles then, and a
// scale warp has read record t before it fills a stage of tile t or of a later tile.
//
// Every tile of the CTA passes through all warpgroups, also where a warpgroup has no part of it.
// put(t + num_tile_records()) overwrites record t; sm90_scheduler_warp.cuh and sm90_load_warp.cuh
// show that all readers are done by then. Functions are warp-collective unless they say otherwise.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_shared_storage.h"
#include "backends/sm90/sm90_tile.h"
#include "ptx/elect.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/smem_address.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

template <Config kConfig>
class TileRing {
 public:
  using Storage = AsyncStorage<kConfig>;
  using Release = typename Storage::Release;
  using Tiles = TileStorage<kConfig>;

  __device__ __forceinline__ TileRing(uint8_t* smem, Tiles& tiles)
      : tiles_(tiles), address_(ptx::smem_address(smem)) {}

  // Initialises the barriers. One thread of the CTA calls it before start_together().
  __device__ __forceinline__ void init() const {
    for (uint32_t i = 0; i < kNumRecords; ++i) {
      ptx::mbarrier_init(published(tiles_, i), ptx::kArrivalsPerWarp);
    }
    if constexpr (kConfig.has_scheduler_warp()) {
      for (int i = 0; i < kConfig.num_consumers; ++i) {
        ptx::mbarrier_init(released(i), 4 * ptx::kArrivalsPerWarp);
        ptx::mbarrier_init(taken(i), ptx::kArrivalsPerWarp);
      }
    }
  }

  // The finder calls these five. A scheduler warp puts tile 0 before start_together(), publishes it
  // after.
  __device__ __forceinline__ void put(uint32_t tile_idx, const CtaTile& tile) const {
    if (ptx::elect_one()) tiles_.records[tile_idx % kNumRecords] = tile;
    __syncwarp();
  }
  __device__ __forceinline__ void publish(uint32_t tile_idx) const {
    ptx::mbarrier_arrive_warp(published(tiles_, tile_idx));
  }
  __device__ __forceinline__ bool is_released(int warpgroup, uint32_t tile_idx) const {
    return ptx::uniform(ptx::mbarrier_test(released(warpgroup), tile_idx % 2)) != 0;
  }
  __device__ __forceinline__ void wait_released(int warpgroup, uint32_t tile_idx) const {
    ptx::mbarrier_wait_warp(released(warpgroup), tile_idx % 2);
  }
  __device__ __forceinline__ void take(int warpgroup) const {
    __syncwarp();
    ptx::mbarrier_arrive_warp(taken(warpgroup));
  }

  // The load warp, the scale warps and the consumers of small blocks wait until a tile is
  // published. A scheduler warp has put tile 0 into the ring before start_together().
  __device__ __forceinline__ CtaTile wait(uint32_t tile_idx) const {
    if (tile_idx > 0 || !kConfig.has_scheduler_warp()) {
      ptx::mbarrier_wait_warp(published(tiles_, tile_idx), tile_idx / kNumRecords % 2);
    }
    return get(tile_idx);
  }

  // Consumer warps call these two. wait_taken() returns when the tile before was taken: its store
  // boxes may be filled, and this tile may be released.
  __device__ __forceinline__ void wait_taken(int warpgroup, uint32_t tile_idx) const {
    ptx::mbarrier_wait_warp(taken(warpgroup), tile_idx % 2 ^ 1);
  }
  __device__ __forceinline__ void release(int warpgroup) const {
    __syncwarp();
    ptx::mbarrier_arrive_warp(released(warpgroup));
  }

  // Returns a tile to a role whose turn it is. The compiler knows that all lanes hold the same.
  __device__ __forceinline__ CtaTile get(uint32_t tile_idx) const {
    const CtaTile& tile = tiles_.records[tile_idx % kNumRecords];
    return {{ptx::uniform(tile.row_begin), ptx::uniform(tile.num_rows),
             ptx::uniform(tile.col_begin), ptx::uniform(tile.num_cols)},
            ptx::uniform(tile.group_idx),
            ptx::uniform(tile.group_row_begin),
            static_cast<Multicast>(ptx::uniform(static_cast<int32_t>(tile.multicast))),
            kConfig.is_small() && ptx::uniform(static_cast<int>(tile.is_last)) != 0};
  }

  // Returns the group of a tile alone, to a role whose turn it is. Any lane may call it by itself.
  __device__ __forceinline__ int32_t group_idx(uint32_t tile_idx) const {
    return tiles_.records[tile_idx % kNumRecords].group_idx;
  }

  // The address of the store boxes of a consumer warp, which change hands with the tile.
  __device__ __forceinline__ uint32_t store_boxes(uint32_t warp) const {
    return address_ + kBoxesOffset + warp * kConfig.num_store_boxes() * kStoreBoxBytes;
  }

 private:
  static constexpr uint32_t kNumRecords = kConfig.num_tile_records();
  static constexpr int kBoxesOffset = offsetof(Storage, store_boxes);
  static constexpr int kReleasesOffset = offsetof(Storage, releases);
  static constexpr int kReleaseBytes = sizeof(Release);
  static constexpr int kTakenOffset = offsetof(Release, taken);

  __device__ __forceinline__ static uint32_t published(const Tiles& tiles, uint32_t tile_idx) {
    return ptx::smem_address(&tiles.published[tile_idx % kNumRecords]);
  }
  __device__ __forceinline__ uint32_t released(int warpgroup) const {
    return address_ + kReleasesOffset + warpgroup * kReleaseBytes;
  }
  __device__ __forceinline__ uint32_t taken(int warpgroup) const {
    return released(warpgroup) + kTakenOffset;
  }

  Tiles& tiles_;
  uint32_t address_;
};

}  // namespace ggfp8::sm90
