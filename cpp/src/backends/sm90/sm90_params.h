// The parameters of the sm90 kernel. The struct is passed by value; TMA reads the tensor maps
// where they lie in it.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "backends/sm90/sm90_tile_schedule.h"
#include "core/problem.h"

namespace ggfp8::sm90 {

struct Params {
  CUtensorMap a_map;        // (slabs, rows, k), boxes of a_box_rows rows
  CUtensorMap whole_a_map;  // as a_map, boxes of block_m rows; valid where a block may need all
  CUtensorMap b_map;        // (batch_size, n, k), boxes of b_box_rows rows
  // Boxes with the k-blocks of a stage; valid where a stage has several (sm90_deep_loads.cuh).
  CUtensorMap deep_a_map;
  CUtensorMap deep_b_map;
  CUtensorMap out_map;  // (slabs, rows, n) of 16 bits, boxes of 64 columns of kStoreBoxRows rows
  const float* sfa;
  const float* sfb;
  void* out;

  int64_t out_row_stride;
  int64_t out_slab_stride;
  int64_t sfa_m_stride;
  int64_t sfa_k_stride;
  int64_t sfa_slab_stride;
  int64_t sfb_n_stride;
  int64_t sfb_k_stride;
  int64_t sfb_group_stride;

  TileSchedule schedule;

  int32_t last_slab_idx;  // 0 where all groups share one slab
  int32_t n;
  int32_t num_k_blocks;
  int32_t num_full_k_blocks;  // those of kBlockK k; the last k-block may have fewer
  int32_t num_scale_blocks;   // of k
  int32_t log2_granularity_m;
  int32_t log2_granularity_n;
  int32_t num_n_tiles;
  int32_t tile_n;         // columns of a tile
  int32_t max_band_size;  // row tiles (sm90_rasterization.h)
  int32_t place_step;     // sm90_last_wave.h
  Dtype out_dtype;
  bool tma_sfa;      // the load warp loads the scales of a's rows, in pieces of 16 bytes
  bool out_aligned;  // every row of out begins at a multiple of 16 bytes
  bool tma_store;    // full boxes of the output leave by TMA store; out_map is valid
  // 0, which the compiler does not know. Adding it to a value makes the compiler compute anew what
  // depends on the value.
  uint32_t opaque_zero;
};

}  // namespace ggfp8::sm90
