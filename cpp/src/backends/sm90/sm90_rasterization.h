// Rasterization: which rows and columns a tile of a group means.
//
// Tiles of the same columns follow each other, so that b is read once. A group with more row tiles
// than fit a band is cut into bands, which follow each other. A short row tile, of which one CTA
// holds all rows, comes after the long row tiles of two column tiles and takes both of these
// columns at once, one column tile per CTA. Three row tiles, the last of them short, and three
// column tiles have these tile indices:
//
//   column tile    0   1   2
//   long           0   2   5
//   long           1   3   6
//   short          4   4   7
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_config.h"
#include "backends/sm90/sm90_tile_schedule.h"
#include "core/math.h"

namespace ggfp8::sm90 {

// Returns how many row tiles a band may have. Their rows of a (16 MiB, a third of an H200's L2)
// stay in L2 until the last columns of the band are computed.
inline int32_t max_band_size(const Problem& problem, const Shape& shape) {
  constexpr int64_t kBandBytes = int64_t{16} << 20;
  return static_cast<int32_t>(max_of<int64_t>(kBandBytes / (shape.cluster_m() * problem.k), 1));
}

struct TilePlace {
  int32_t m_tile_idx;
  int32_t n_tile_idx;   // of the first of its column tiles
  int32_t num_n_tiles;  // 1 or 2
};

// Returns the place of tile `idx` of a group that has these row tiles. More than max_band_size long
// row tiles are cut into bands of about equal size: rows of a that do not stay in L2 would be read
// again for every column tile.
GGFP8_HOST_DEVICE inline TilePlace place_in_group(int32_t idx, const RowTiles& rows,
                                                  int32_t num_n_tiles, int32_t max_band_size) {
  if (rows.num_long <= 1 && !rows.has_short) return {0, idx, 1};  // without the divisions below
  int32_t first_m_tile = 0;
  int32_t num_long = rows.num_long;
  bool has_short = rows.has_short;
  if (num_long > max_band_size) {
    const int32_t band_size = ceil_div(num_long, ceil_div(num_long, max_band_size));
    const int32_t band_tiles = band_size * num_n_tiles;
    const int32_t last_band = quotient(num_long - 1, band_size);
    const int32_t band = min_of(quotient(idx, band_tiles), last_band);
    idx -= band * band_tiles;
    first_m_tile = band * band_size;
    num_long = min_of(band_size, num_long - first_m_tile);
    has_short = has_short && band == last_band;
  }
  if (!has_short) {
    const int32_t n_tile_idx = quotient(idx, num_long);
    return {first_m_tile + idx - n_tile_idx * num_long, n_tile_idx, 1};
  }
  const int32_t pair_tiles = 2 * num_long + 1;
  const int32_t pair_idx = quotient(idx, pair_tiles);
  const int32_t first_n_tile = pair_idx * 2;
  const int32_t num_left = min_of(num_n_tiles - first_n_tile, 2);
  idx -= pair_idx * pair_tiles;
  if (idx == num_long * num_left) return {first_m_tile + num_long, first_n_tile, num_left};
  const bool is_second = idx >= num_long;
  return {first_m_tile + idx - (is_second ? num_long : 0), first_n_tile + (is_second ? 1 : 0), 1};
}

}  // namespace ggfp8::sm90
