// Shares tiles out among clusters. An item is a tile or, in the last wave, half a tile. Every
// cluster takes one item per round. The last wave is the tiles of a round that has fewer tiles than
// clusters; they are halved if each half finds a cluster.
//
// Plain functions for host and device: every cluster computes the same from the number of tiles.
#pragma once

#include <cstdint>

#include "core/math.h"

namespace ggfp8::sm90 {

struct LastWave {
  int32_t first_tile_idx;  // of the last wave; tiles before it are items as they are
  int32_t items_per_tile;  // of the last wave: 1, or 2 halves side by side
  int32_t num_items;       // of all rounds
};

GGFP8_HOST_DEVICE inline LastWave make_last_wave(int32_t num_tiles, int32_t num_clusters) {
  const int32_t first_tile_idx = quotient(num_tiles, num_clusters) * num_clusters;
  const int32_t num_left = num_tiles - first_tile_idx;
  // Half a tile takes more than half its time: it moves more bytes per product.
  const int32_t items_per_tile = num_left * 2 <= num_clusters ? 2 : 1;
  return {first_tile_idx, items_per_tile, first_tile_idx + num_left * items_per_tile};
}

// Returns how far a cluster's place moves from round to round. The next item of a cluster is then
// num_clusters + step further. A divisor in common with the number of a group's tiles that have the
// same columns would give some clusters only long row tiles and others only short ones, so the
// distance has none of the smallest divisors.
inline int32_t place_step(int32_t num_clusters) {
  int32_t stride = num_clusters + 1;
  while (stride % 2 == 0 || stride % 3 == 0 || stride % 5 == 0 || stride % 7 == 0) ++stride;
  return stride % num_clusters;
}

// The item of a cluster in the round at hand.
struct ItemOfRound {
  int32_t place;  // in the round
  int32_t idx;    // of the item

  GGFP8_HOST_DEVICE explicit ItemOfRound(int32_t cluster) : place(cluster), idx(cluster) {}

  GGFP8_HOST_DEVICE void advance(int32_t num_clusters, int32_t step) {
    const int32_t begin = idx - place + num_clusters;
    place += step;
    if (place >= num_clusters) place -= num_clusters;
    idx = begin + place;
  }
};

}  // namespace ggfp8::sm90
