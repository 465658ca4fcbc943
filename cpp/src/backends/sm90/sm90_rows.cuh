// The mainloop of the larger tiles: rows on wgmma's M side, 64 per warpgroup, and columns on the N
// side.
//
// Per k-block: four wgmma from zero, then promotion into float32, main_acc =
// fma(sfa * sfb, partial_acc, main_acc). The tensor cores work for the other warpgroup meanwhile.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_epilogue.cuh"
#include "backends/sm90/sm90_mainloop.cuh"
#include "ptx/named_barrier.cuh"
#include "ptx/smem_load.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

// The part of a warpgroup in its CTA's tile: 64 rows each. Where the tile may be halved, too few
// rows for both warpgroups are halved by columns.
struct RowsPart {
  int row_begin;  // in the tile
  int col_begin;  // in the tile
  int num_cols;

  template <Config kConfig>
  __device__ __forceinline__ static RowsPart make(const OutTile& tile, int warpgroup) {
    RowsPart part = {warpgroup * 64, 0, tile.num_cols};
    if (tile.num_rows > part.row_begin && tile.num_rows > (kConfig.splits_rows ? 64 : 0)) {
      return part;
    }
    if (kConfig.splits_rows && tile.num_cols > kConfig.half_n()) {
      return {0, warpgroup * kConfig.half_n(), kConfig.half_n()};
    }
    return {0, 0, warpgroup == 0 ? tile.num_cols : 0};
  }

  // Among a k-block's scales of columns.
  template <Config kConfig>
  __device__ __forceinline__ int first_sfb() const {
    if (!kConfig.splits_rows || num_cols > kConfig.half_n()) return 0;
    return col_begin == 0 ? 4 : 8;
  }
};

// The scales of a k-block that a thread needs: of its two rows, and of its columns, which come in
// thirds, each with one, or have one together.
template <int kN>
struct RowScales {
  static constexpr int kNumParts = kN % 3 == 0 ? 3 : 1;

  float sfa[2];
  float sfb[4];

  // Shared memory: `rows` is the scale of the first row, the second is 8 further.
  __device__ __forceinline__ void load(uint32_t rows, uint32_t columns) {
    if constexpr (kNumParts > 1) {
      ptx::load_shared_floats(sfb, columns);
    } else {
      sfb[0] = ptx::load_shared_float(columns);
    }
    sfa[0] = ptx::load_shared_float(rows);
    sfa[1] = ptx::load_shared_float(rows + 32);
  }
};

template <int kN>
class RowFactors {
 public:
  __device__ __forceinline__ explicit RowFactors(const RowScales<kN>& scales) {
#pragma unroll
    for (int part = 0; part < kNumParts; ++part) {
#pragma unroll
      for (int row = 0; row < 2; ++row) {
        factor_[part][row] = __fmul_rn(scales.sfa[row], scales.sfb[part]);
        asm volatile("" : "+f"(factor_[part][row]));  // computed here and now
      }
    }
  }

  __device__ __forceinline__ void promote(BlockAccumulator<kN>& main_acc,
                                          const BlockAccumulator<kN>& partial_acc) const {
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) {
      const float factor = factor_[i * kNumParts / (kN / 2)][i / 2 % 2];
      main_acc[i] = __fmaf_rn(factor, partial_acc[i], main_acc[i]);
    }
  }

 private:
  static constexpr int kNumParts = RowScales<kN>::kNumParts;

  float factor_[kNumParts][2];
};

// Two warpgroups start the products of their k-blocks in turns. Where both are under way, the
// tensor cores alternate; both would end at nearly the same time, and leave them idle while both
// promote.
class Turns {
 public:
  __device__ __forceinline__ explicit Turns(int warpgroup) : mine_(1 + warpgroup) {}

  // Both, in front of all tiles: the first turn is the first warpgroup's.
  __device__ __forceinline__ void begin() const {
    if (mine_ == 2) pass();
  }
  __device__ __forceinline__ void wait() const { ptx::named_barrier_sync(mine_, 256); }
  __device__ __forceinline__ void pass() const { ptx::named_barrier_arrive(3 - mine_, 256); }
  // Both, behind them: takes the turn that nobody has taken.
  __device__ __forceinline__ void end() const {
    if (mine_ == 1) wait();
  }

 private:
  uint32_t mine_;  // the named barrier that says it is this warpgroup's turn
};

// Where a thread finds what it needs of any stage: with the stage's index known to the compiler,
// all else are constants.
template <Config kConfig>
struct Stages {
  const Pipeline<kConfig>& pipeline;
  uint64_t a_descriptors;  // of the first stage, as all below
  uint64_t b_descriptors;
  uint32_t sfa;
  uint32_t sfb;
  ptx::RemoteArrival<kConfig.cluster_size> empty;
  Turns turns;

  __device__ __forceinline__ Stages(const Consumer<kConfig>& consumer, const RowsPart& part,
                                    int first_sfa)
      : pipeline(consumer.pipeline),
        a_descriptors(uniform_descriptor(pipeline.a_tile(0) + part.row_begin * kTileK)),
        b_descriptors(
            uniform_descriptor(pipeline.a_tile(0) + kConfig.a_bytes() + part.col_begin * kTileK)),
        sfa(pipeline.scales(0) + (first_sfa + part.row_begin + consumer.position().m) * 4),
        sfb(pipeline.scales(0) + (kConfig.sfb_idx() + part.template first_sfb<kConfig>()) * 4),
        empty(pipeline.empty(0)),
        turns(consumer.position().warpgroup) {}

  // So that those of all stages are computed in uniform registers.
  __device__ __forceinline__ static uint64_t uniform_descriptor(uint32_t smem) {
    return ptx::wgmma_descriptor_of(ptx::uniform(ptx::wgmma_descriptor_word(smem)));
  }
};

// Starts the products of a k-block; partial_acc is complete behind wgmma_wait<0>().
template <Config kConfig, int kN>
__device__ __forceinline__ void start_rows(BlockAccumulator<kN>& partial_acc,
                                           const Stages<kConfig>& stages, int stage_idx) {
  start_products<ptx::Wgmma<kN, kConfig.a_dtype, kConfig.b_dtype>>(
      partial_acc, stages.a_descriptors, stages.b_descriptors,
      stage_idx * (kConfig.stage_bytes() / 16));
}

// A k-block, of a round of this parity. A warpgroup's products and their promotion take turns, and
// whatever else stands between them is lost: factors are computed, and the next stage is asked for,
// while the products run. `is_full` says if the stage is known to be full, then if the next one is.
template <Config kConfig, int kN>
__device__ __forceinline__ void multiply_k_block(BlockAccumulator<kN>& main_acc,
                                                 const Stages<kConfig>& stages, int stage_idx,
                                                 uint32_t parity, bool& is_full) {
  // Both warpgroups have a part if either has all columns.
  constexpr bool kTakesTurns = kConfig.takes_turns() && kN == kConfig.cta_n;
  if (!is_full) ptx::mbarrier_wait_warp(stages.pipeline.full(stage_idx), parity);
  RowScales<kN> scales;
  scales.load(stages.sfa + stage_idx * kConfig.scale_bytes(),
              stages.sfb + stage_idx * kConfig.scale_bytes());
  if (kTakesTurns) stages.turns.wait();
  BlockAccumulator<kN> partial_acc;
  start_rows<kConfig, kN>(partial_acc, stages, stage_idx);
  if (kTakesTurns) stages.turns.pass();
  const RowFactors<kN> factors(scales);
  const bool wraps = stage_idx + 1 == kConfig.num_stages;
  is_full = ptx::mbarrier_test_warp(stages.pipeline.full(wraps ? 0 : stage_idx + 1),
                                    parity ^ (wraps ? 1 : 0));
  ptx::wgmma_wait<0>();
  ptx::wgmma_pin(partial_acc);
  stages.empty.arrive(stage_idx * 8);
  factors.promote(main_acc, partial_acc);
}

// All k-blocks of a tile. They are counted from where a round of the ring of stages begins; rounds
// that the tile has all to itself are unrolled.
template <Config kConfig, int kN>
__device__ __forceinline__ void accumulate_rows(BlockAccumulator<kN>& main_acc,
                                                Consumer<kConfig>& consumer, const RowsPart& part,
                                                int first_sfa) {
  constexpr int kNumStages = kConfig.num_stages;
  const Stages<kConfig> stages(consumer, part, first_sfa);
  int begin = static_cast<int>(consumer.pipeline.stage_idx());
  const int end = begin + consumer.params.num_k_blocks;
  uint32_t parity = consumer.pipeline.parity();
  bool is_full = true;  // the consumer has found the tile in it
#pragma unroll 1
  for (int first = 0; first < end; first += kNumStages) {
    if (begin == 0 && first + kNumStages <= end) {
#pragma unroll
      for (int i = 0; i < kNumStages; ++i) {
        multiply_k_block<kConfig, kN>(main_acc, stages, i, parity, is_full);
      }
    } else {
#pragma unroll 1
      for (int i = begin; i < min(end - first, kNumStages); ++i) {
        multiply_k_block<kConfig, kN>(main_acc, stages, i, parity, is_full);
      }
      begin = 0;
    }
    parity ^= 1;
  }
  consumer.pipeline.move_to(end % kNumStages, parity ^ (end % kNumStages == 0 ? 0 : 1));
}

template <Config kConfig>
__device__ __forceinline__ WarpRows warp_rows(const OutTile& tile, const ThreadPosition& position) {
  const auto part = RowsPart::make<kConfig>(tile, position.warpgroup);
  return {tile.row_begin + part.row_begin + position.warp * 16, tile.row_begin + tile.num_rows,
          tile.col_begin + part.col_begin, position.warpgroup * 4 + position.warp, position.lane};
}

template <Config kConfig, int kN>
__device__ __forceinline__ void compute_wide(Consumer<kConfig>& consumer, const RowsPart& part,
                                             int first_sfa) {
  BlockAccumulator<kN> main_acc = {};
  accumulate_rows<kConfig, kN>(main_acc, consumer, part, first_sfa);
  store_rows<kConfig, kN>(main_acc, consumer,
                          warp_rows<kConfig>(consumer.tile(), consumer.position()));
}

template <Config kConfig>
__device__ __forceinline__ void compute_rows(Consumer<kConfig>& consumer, const OutTile& tile) {
  const auto part = RowsPart::make<kConfig>(tile, consumer.position().warpgroup);
  const int first_sfa = consumer.first_sfa(tile);
  if (part.num_cols == 0) {
    consumer.skip_tile();
  } else if (!kConfig.splits_rows || part.num_cols > kConfig.half_n()) {
    compute_wide<kConfig, kConfig.cta_n>(consumer, part, first_sfa);
  } else if constexpr (kConfig.splits_rows) {
    compute_wide<kConfig, kConfig.half_n()>(consumer, part, first_sfa);
  }
}

}  // namespace ggfp8::sm90
