// The shared memory in which a CTA keeps the chunk starts of its tile scheduler.
#pragma once

#include <cstdint>

#include "core/group_schedule.h"

namespace ggfp8 {

struct ScheduleStorage {
  ChunkStart chunk_starts[kNumChunks];
  int32_t warp_values[kNumChunks / 32];
  int32_t num_tiles;
};

}  // namespace ggfp8
