// How tiles are shared out. Clusters take whole tiles in turn; those that are left when not every
// cluster gets another one are halved, if that ends sooner.
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

// How far a cluster's place moves from round to round of as many items as there are clusters. An
// item is then num_clusters + step behind the one before; if that had a divisor in common with the
// number of tiles of a group that have the same columns, some clusters would get only long row
// tiles and others only short ones.
inline int32_t place_step(int32_t num_clusters) {
  int32_t stride = num_clusters + 1;
  while (stride % 2 == 0 || stride % 3 == 0 || stride % 5 == 0 || stride % 7 == 0) ++stride;
  return stride % num_clusters;
}

// A cluster's item of a round.
struct ItemOfRound {
  int32_t place;
  int32_t idx;

  GGFP8_HOST_DEVICE explicit ItemOfRound(int32_t cluster) : place(cluster), idx(cluster) {}

  GGFP8_HOST_DEVICE void advance(int32_t num_clusters, int32_t step) {
    const int32_t begin = idx - place + num_clusters;
    place += step;
    if (place >= num_clusters) place -= num_clusters;
    idx = begin + place;
  }
};

}  // namespace ggfp8::sm90
