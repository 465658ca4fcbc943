// The shared memory of an mma CTA. Its size is the size of the struct.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "backends/mma/mma_config.h"
#include "core/schedule_storage.h"

namespace ggfp8::mma {

template <Config kConfig>
struct SharedStorage {
  // A k-block. Rows of a and columns of b have 128 bytes each.
  struct Stage {
    uint8_t a[kConfig.tile_m * kStageK];
    uint8_t b[kConfig.tile_n * kStageK];
    float scales[kConfig.num_scales()];  // of the rows, then of the columns
  };

  ScheduleStorage schedule;
  uint64_t full[kConfig.num_stages];  // mbarriers (mma_pipeline.cuh)
  uint64_t empty[kConfig.num_stages];
  alignas(128) Stage stages[kConfig.num_stages];
};

// Bytes of dynamic shared memory of each instance.
template <size_t... kIdx>
constexpr std::array<int, sizeof...(kIdx)> make_smem_bytes(std::index_sequence<kIdx...>) {
  return {static_cast<int>(sizeof(SharedStorage<config_of(kIdx)>))...};
}
constexpr auto kSmemBytes = make_smem_bytes(std::make_index_sequence<kNumInstances>());

}  // namespace ggfp8::mma
