// How the last wave of tiles is shared out. Clusters take whole tiles in turn; those that are left
// when not every cluster gets another one are halved, if that ends sooner.
//
// Plain functions for host and device: every cluster works out the same from the number of tiles.
#pragma once

#include <cstdint>

#include "core/math.h"

namespace ggfp8::sm90 {

struct LastWave {
  int32_t first_tile_idx;  // whole tiles in front of it
  int32_t num_parts;       // of each tile behind, side by side
  int32_t num_items;       // whole tiles and parts
};

GGFP8_HOST_DEVICE inline LastWave make_last_wave(int32_t num_tiles, int32_t num_clusters) {
  const int32_t num_left = num_tiles % num_clusters;
  const int32_t num_whole = num_tiles - num_left;
  // Half a tile takes more than half its time: it moves more bytes per product.
  const int32_t num_parts = num_left * 2 <= num_clusters ? 2 : 1;
  return {num_whole, num_parts, num_whole + num_left * num_parts};
}

}  // namespace ggfp8::sm90
