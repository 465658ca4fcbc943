// The parameters of the mma kernel: plain data, passed by value.
#pragma once

#include <cstdint>

#include "core/group_schedule.h"
#include "core/problem.h"

namespace ggfp8::mma {

struct Params {
  const uint8_t* a;
  const uint8_t* b;
  const float* sfa;
  const float* sfb;
  void* out;

  int64_t a_row_stride;
  int64_t a_slab_stride;
  int64_t b_row_stride;
  int64_t b_group_stride;
  int64_t out_row_stride;
  int64_t out_slab_stride;
  int64_t sfa_m_stride;
  int64_t sfa_k_stride;
  int64_t sfa_slab_stride;
  int64_t sfb_n_stride;
  int64_t sfb_k_stride;
  int64_t sfb_group_stride;

  GroupSchedule schedule;

  int32_t n;
  int32_t k;
  int32_t num_k_blocks;
  int32_t granularity_m;
  int32_t granularity_n;
  int32_t granularity_k;
  int32_t num_n_tiles;
  Dtype out_dtype;
  bool a_aligned;    // a can be read in 16-byte pieces; if not, byte by byte
  bool b_aligned;    // likewise b
  bool out_aligned;  // every row of out begins at a multiple of 16 bytes
};

}  // namespace ggfp8::mma
