// The shared memory of an sm90 CTA. Its size is the size of SharedStorage. The struct begins at a
// multiple of 1024, which the 128-byte swizzle of the stages and store boxes needs, so the launch
// asks for 1024 bytes more.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "backends/sm90/sm90_config.h"
#include "backends/sm90/sm90_tile.h"

namespace ggfp8::sm90 {

// No bytes at all for size 0.
template <int kSize>
struct Bytes {
  uint8_t bytes[kSize];
};
template <>
struct Bytes<0> {};

// The memory that TMA, wgmma and mbarriers reach by 32-bit addresses.
template <Config kConfig>
struct AsyncStorage {
  // The blocks of a and b of the k-blocks of a stage.
  struct Stage {
    uint8_t a[kConfig.k_blocks_per_stage][kConfig.a_bytes()];
    uint8_t b[kConfig.k_blocks_per_stage][kConfig.b_bytes()];
  };

  // The scales of a scale block. TMA loads the scales of rows from a multiple of kSfaStep rows on,
  // so up to kSfaStep - 1 scales of other rows come before the block's.
  struct Scales {
    float sfa[kConfig.block_m + kSfaStep];
    float sfb[kConfig.column_scales().num_slots()];
  };

  static constexpr int kSfbIdx = offsetof(Scales, sfb) / sizeof(float);

  // mbarriers of a consumer warpgroup in the tile ring (sm90_tile_ring.cuh).
  struct Release {
    uint64_t released;
    uint64_t taken;
  };

  Stage stages[kConfig.num_stages];
  [[no_unique_address]] Bytes<kConfig.store_bytes()> store_boxes;
  Scales scales[kConfig.num_stages][kConfig.scale_blocks_per_stage()];
  uint64_t full[kConfig.num_stages];  // mbarriers of the stages (sm90_pipeline.cuh)
  uint64_t empty[kConfig.num_stages];
  Release releases[kConfig.num_consumers];
};

// The memory of the finder, which other warps read.
template <Config kConfig>
struct TileStorage {
  CtaTile records[kConfig.num_tile_records()];
  uint64_t published[kConfig.num_tile_records()];  // mbarriers of the records
};

template <Config kConfig>
struct SharedStorage {
  AsyncStorage<kConfig> async;
  TileStorage<kConfig> tiles;
};

// Bytes of dynamic shared memory of each instance.
template <size_t... kIdx>
constexpr std::array<size_t, sizeof...(kIdx)> make_smem_bytes(std::index_sequence<kIdx...>) {
  return {(1024 + sizeof(SharedStorage<config_of(kIdx)>))...};
}
constexpr auto kSmemBytes = make_smem_bytes(std::make_index_sequence<kNumInstances>());

}  // namespace ggfp8::sm90
