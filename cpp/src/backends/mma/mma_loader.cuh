// Loader: copies one k-block after the other into the pipeline's stages. It runs ahead of the
// arithmetic, also from tile to tile: the next tile's first k-blocks are copied while the present
// tile is finished. All threads take part and call issue() in step.
//
// A stage holds tile_m rows of a and tile_n rows of b, 128 bytes each, of which granularity_k are
// used. The 16-byte pieces of a row are permuted by its index (piece ^ row % 8), so that ldmatrix
// reads eight rows without bank conflicts. Rows and columns outside the group, and k outside the
// block, are zeros and are never read.
#pragma once

#include <cstdint>

#include "backends/mma/mma_config.h"
#include "backends/mma/mma_params.h"
#include "backends/mma/mma_pipeline.cuh"
#include "backends/mma/mma_shared_storage.h"
#include "backends/mma/mma_tiles.cuh"
#include "ptx/cp_async.cuh"

namespace ggfp8::mma {

// Byte offset of a 16-byte piece in a tile of 128-byte rows.
__device__ __forceinline__ uint32_t piece_offset(int row, int piece) {
  return static_cast<uint32_t>(row * kStageK + ((piece ^ (row & 7)) * 16));
}

// Copies 16 bytes from any address through registers; zeros where invalid.
__device__ __forceinline__ void copy_unaligned_16(uint32_t smem, const uint8_t* global,
                                                  bool valid) {
  uint32_t words[4] = {0, 0, 0, 0};
  if (valid) {
#pragma unroll
    for (int i = 0; i < 16; ++i) words[i / 4] |= uint32_t{global[i]} << (8 * (i % 4));
  }
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(smem), "r"(words[0]), "r"(words[1]),
               "r"(words[2]), "r"(words[3])
               : "memory");
}

template <Config kConfig>
class Loader {
 public:
  __device__ __forceinline__ Loader(const Params& params, const ScheduleStorage& storage,
                                    const Pipeline<kConfig>& pipeline)
      : params_(params),
        storage_(storage),
        pipeline_(pipeline),
        num_tiles_(num_tiles(params, storage)),
        tile_idx_(blockIdx.x) {
    if (params_.num_k_blocks == 0) num_tiles_ = 0;
    if (tile_idx_ < num_tiles_) enter_tile();
  }

  // Starts the copies of the next k-block, if there is one, once its stage is empty.
  __device__ __forceinline__ void issue() {
    if (tile_idx_ >= num_tiles_) return;
    pipeline_.wait_empty();
    const uint32_t stage = pipeline_.stage();
    copy_operands(stage);
    copy_scales(stage + kScalesOffset);
    pipeline_.signal_full();
    pipeline_.advance();
    advance();
  }

 private:
  using Stage = typename SharedStorage<kConfig>::Stage;
  static constexpr int kBOffset = offsetof(Stage, b);
  static constexpr int kScalesOffset = offsetof(Stage, scales);

  static constexpr int kPiecesPerRow = kStageK / 16;
  static constexpr int kRowsPerPass = kConfig.num_threads() / kPiecesPerRow;
  static constexpr int kPassesA = kConfig.tile_m / kRowsPerPass;
  static constexpr int kPassesB = kConfig.tile_n / kRowsPerPass;
  static constexpr int kNumScales = kConfig.num_scales();
  static constexpr int kPassesScale =
      (kNumScales + kConfig.num_threads() - 1) / kConfig.num_threads();
  static constexpr uint32_t kPassBytes = kRowsPerPass * kStageK;
  static_assert(kRowsPerPass % 8 == 0);
  static_assert(kPassesA * kRowsPerPass == kConfig.tile_m);
  static_assert(kPassesB * kRowsPerPass == kConfig.tile_n);

  // Computes where this thread's pieces of the tile begin.
  __device__ __forceinline__ void enter_tile() {
    const Tile tile = find_tile<kConfig>(params_, storage_, tile_idx_);
    const int row = static_cast<int>(threadIdx.x) / kPiecesPerRow;
    const int piece = static_cast<int>(threadIdx.x) % kPiecesPerRow;
    k_left_ = params_.k;
    a_rows_left_ = tile.row_end - tile.row_begin - row;
    b_rows_left_ = params_.n - tile.col_begin - row;
    a_ = params_.a + tile.group_idx * params_.a_slab_stride +
         int64_t{tile.row_begin + row} * params_.a_row_stride + piece * 16;
    b_ = params_.b + tile.group_idx * params_.b_group_stride +
         int64_t{tile.col_begin + row} * params_.b_row_stride + piece * 16;
    a_full_ = params_.a_aligned && tile.row_end - tile.row_begin == kConfig.tile_m;
    b_full_ = params_.b_aligned && tile.col_begin + kConfig.tile_n <= params_.n;
#pragma unroll
    for (int pass = 0; pass < kPassesScale; ++pass) enter_scale(tile, pass);
  }

  // If granularity_n is 64 or 128, only the first column of each warp's part is read back.
  __device__ __forceinline__ void enter_scale(const Tile& tile, int pass) {
    const int idx = static_cast<int>(threadIdx.x) + pass * kConfig.num_threads();
    scale_wanted_[pass] = idx < kNumScales && (idx < kConfig.tile_m || params_.granularity_n == 1 ||
                                               (idx - kConfig.tile_m) % kConfig.warp_tile_n() == 0);
    if (idx < kConfig.tile_m) {
      const int32_t row = tile.row_begin + idx;
      const int32_t m_block = scale_row(row, tile.group_row_begin, params_.granularity_m);
      scale_valid_[pass] = row < tile.row_end;
      scale_[pass] =
          params_.sfa + tile.group_idx * params_.sfa_slab_stride + m_block * params_.sfa_m_stride;
      scale_step_[pass] = params_.sfa_k_stride;
    } else {
      const int32_t col = tile.col_begin + idx - kConfig.tile_m;
      scale_valid_[pass] = idx < kNumScales && col < params_.n;
      scale_[pass] = params_.sfb + tile.group_idx * params_.sfb_group_stride +
                     (col / params_.granularity_n) * params_.sfb_n_stride;
      scale_step_[pass] = params_.sfb_k_stride;
    }
  }

  __device__ __forceinline__ void copy_operands(uint32_t stage) const {
    const int row = static_cast<int>(threadIdx.x) / kPiecesPerRow;
    const int piece = static_cast<int>(threadIdx.x) % kPiecesPerRow;
    const int32_t k_size = min_of(params_.granularity_k, k_left_);
    const uint32_t smem_a = stage + piece_offset(row, piece);
    const uint32_t smem_b = smem_a + kBOffset;
    const bool full_block = k_size == kStageK;
    const bool in_block = piece * 16 < k_size;
    if (full_block && a_full_) {
      copy_full_rows<kPassesA>(smem_a, a_, params_.a_row_stride);
    } else {
      copy_rows<kPassesA>(smem_a, a_, params_.a_row_stride, in_block ? a_rows_left_ : 0,
                          params_.a_aligned);
    }
    if (full_block && b_full_) {
      copy_full_rows<kPassesB>(smem_b, b_, params_.b_row_stride);
    } else {
      copy_rows<kPassesB>(smem_b, b_, params_.b_row_stride, in_block ? b_rows_left_ : 0,
                          params_.b_aligned);
    }
  }

  // Copies one piece of every kRowsPerPass-th row. kRowsPerPass is a multiple of 8, so the
  // permutation of the pieces is the same for all of them.
  template <int kPasses>
  __device__ __forceinline__ static void copy_full_rows(uint32_t smem, const uint8_t* global,
                                                        int64_t row_stride) {
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      ptx::cp_async_16(smem + pass * kPassBytes, global + pass * kRowsPerPass * row_stride);
    }
  }

  // Copies aligned or unaligned rows, with zeros from rows_left on.
  template <int kPasses>
  __device__ __forceinline__ static void copy_rows(uint32_t smem, const uint8_t* global,
                                                   int64_t row_stride, int rows_left,
                                                   bool aligned) {
#pragma unroll 1
    for (int pass = 0; pass < kPasses; ++pass) {
      const bool valid = pass * kRowsPerPass < rows_left;
      const uint8_t* source = global + pass * kRowsPerPass * row_stride;
      if (aligned) {
        ptx::cp_async_16_or_zero(smem + pass * kPassBytes, source, valid);
      } else {
        copy_unaligned_16(smem + pass * kPassBytes, source, valid);
      }
    }
  }

  __device__ __forceinline__ void copy_scales(uint32_t scales) const {
    const uint32_t smem = scales + threadIdx.x * 4;
#pragma unroll
    for (int pass = 0; pass < kPassesScale; ++pass) {
      if (!scale_wanted_[pass]) continue;
      ptx::cp_async_4_or_zero(smem + pass * kConfig.num_threads() * 4, scale_[pass],
                              scale_valid_[pass]);
    }
  }

  // Moves to the next k-block, or to the first of this CTA's next tile.
  __device__ __forceinline__ void advance() {
    k_left_ -= params_.granularity_k;
    if (k_left_ > 0) {
      a_ += params_.granularity_k;
      b_ += params_.granularity_k;
#pragma unroll
      for (int pass = 0; pass < kPassesScale; ++pass) scale_[pass] += scale_step_[pass];
      return;
    }
    tile_idx_ += gridDim.x;
    if (tile_idx_ < num_tiles_) enter_tile();
  }

  const Params& params_;
  const ScheduleStorage& storage_;
  Pipeline<kConfig> pipeline_;
  int64_t num_tiles_;
  int64_t tile_idx_;
  int32_t k_left_ = 0;  // from the next k-block to the end

  // This thread's first piece of the next k-block of a and b, and the number of rows of the operand
  // from that piece's row on.
  const uint8_t* a_ = nullptr;
  const uint8_t* b_ = nullptr;
  int a_rows_left_ = 0;
  int b_rows_left_ = 0;
  // All rows of the operand's tile exist and are aligned.
  bool a_full_ = false;
  bool b_full_ = false;

  // This thread's scales of the next k-block: the address, the step to the k-block after it,
  // whether a warp reads the scale, and whether it exists.
  const float* scale_[kPassesScale] = {};
  int64_t scale_step_[kPassesScale] = {};
  bool scale_wanted_[kPassesScale] = {};
  bool scale_valid_[kPassesScale] = {};
};

}  // namespace ggfp8::mma
