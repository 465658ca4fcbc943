// The mainloop of the larger tiles: rows on wgmma's M side, 64 per warpgroup, and columns on the N
// side.
//
// Per k-block: four wgmma from zero, then promotion into float32, main_acc =
// fma(sfa * sfb, partial_acc, main_acc). The tensor cores work for the other warpgroup meanwhile.
#pragma once

#include <cstdint>

#include "backends/sm90/sm90_epilogue.cuh"
#include "backends/sm90/sm90_mainloop.cuh"
#include "ptx/smem_load.cuh"
#include "ptx/uniform.cuh"

namespace ggfp8::sm90 {

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
  __device__ __forceinline__ void compute(const RowScales<kN>& scales) {
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

// Where a thread finds what it needs of any stage: with the stage's index known to the compiler,
// all else are constants.
template <Config kConfig>
struct Stages {
  const Pipeline<kConfig>& pipeline;
  uint32_t a_word;  // of the first stage's descriptor, as all below
  uint32_t b_word;
  uint32_t sfa;
  uint32_t sfb;
  ptx::RemoteArrival<kConfig.cluster_size> empty;
  uint32_t zero;

  __device__ __forceinline__ Stages(const Consumer<kConfig>& consumer, const RowsPart& part)
      : pipeline(consumer.pipeline),
        a_word(uniform_word(pipeline.a_tile(0) + part.row_begin * kTileK)),
        b_word(uniform_word(pipeline.a_tile(0) + kConfig.a_bytes() + part.col_begin * kTileK)),
        sfb(pipeline.scales(0) + (kConfig.sfb_idx() + part.template first_sfb<kConfig>()) * 4),
        empty(pipeline.empty(0)),
        zero(consumer.params.zero) {}

  // `first` is the place of the scale of the part's first row among a k-block's.
  __device__ __forceinline__ void turn_to_rows(int first) {
    sfa = pipeline.scales(0) + (first + Consumer<kConfig>::position().m) * 4;
  }

  // So that descriptors are computed in uniform registers.
  __device__ __forceinline__ static uint32_t uniform_word(uint32_t smem) {
    return ptx::uniform(ptx::wgmma_descriptor_word(smem));
  }

  // Once per round: without it the compiler computes the descriptors of all stages in front of the
  // loop, which are more than there are uniform registers, and moves them there again and again.
  __device__ __forceinline__ void renew_words() {
    a_word += zero;
    b_word += zero;
  }
};

// A k-block's products, under way, and the factors of their promotion.
template <Config kConfig, int kN>
struct Products {
  BlockAccumulator<kN> partial_acc;
  RowFactors<kN> factors;

  // The stage is full.
  __device__ __forceinline__ void start(const Stages<kConfig>& stages, int stage_idx) {
    start_products<ptx::Wgmma<kN, kConfig.a_dtype, kConfig.b_dtype>>(
        partial_acc, stages.a_word, stages.b_word, stage_idx * (kConfig.stage_bytes() / 16));
  }

  __device__ __forceinline__ void finish(BlockAccumulator<kN>& main_acc,
                                         const Stages<kConfig>& stages, int stage_idx) {
    wait();
    stages.empty.arrive(stage_idx * 8);
    factors.promote(main_acc, partial_acc);
  }

  __device__ __forceinline__ void wait() {
    ptx::wgmma_wait<0>();
    ptx::wgmma_pin(partial_acc);
  }
};

template <int kN, Config kConfig>
__device__ __forceinline__ RowScales<kN> load_scales(const Stages<kConfig>& stages, int stage_idx) {
  RowScales<kN> scales;
  scales.load(stages.sfa + stage_idx * kConfig.scale_bytes(),
              stages.sfb + stage_idx * kConfig.scale_bytes());
  return scales;
}

// A k-block, of a round of this parity. A warpgroup's products and their promotion take turns, and
// whatever else stands between them is lost. Two warpgroups fall into step by themselves, one
// promotes while the tensor cores work for the other, as long as a promotion takes less time than
// products.
template <Config kConfig, int kN>
__device__ __forceinline__ void multiply_k_block(BlockAccumulator<kN>& main_acc,
                                                 const Stages<kConfig>& stages, int stage_idx,
                                                 uint32_t parity) {
  ptx::mbarrier_wait(stages.pipeline.full(stage_idx), parity);
  const RowScales<kN> scales = load_scales<kN>(stages, stage_idx);
  Products<kConfig, kN> products;
  products.start(stages, stage_idx);
  products.factors.compute(scales);
  products.finish(main_acc, stages, stage_idx);
}

// kNumRounds of the ring of stages, the first of this parity and from stage kBegin on.
template <int kNumRounds, int kBegin, Config kConfig, int kN>
__device__ __forceinline__ void multiply_rounds(BlockAccumulator<kN>& main_acc,
                                                Stages<kConfig>& stages, uint32_t parity) {
#pragma unroll
  for (int round = 0; round < kNumRounds; ++round) {
#pragma unroll
    for (int i = round == 0 ? kBegin : 0; i < kConfig.num_stages; ++i) {
      multiply_k_block<kConfig, kN>(main_acc, stages, i, parity ^ (round % 2));
    }
    stages.renew_words();
  }
}

// All k-blocks of a tile but the first. They are counted from where a round of the ring of stages
// begins; whole rounds are unrolled, in pairs, because a loop costs as much as a tenth of a
// k-block.
template <Config kConfig, int kN>
__device__ __forceinline__ void accumulate_rows(BlockAccumulator<kN>& main_acc,
                                                Stages<kConfig>& stages,
                                                Consumer<kConfig>& consumer) {
  constexpr int kNumStages = kConfig.num_stages;
  const int begin = static_cast<int>(consumer.pipeline.stage_idx()) + 1;
  int left = begin - 1 + consumer.params.num_k_blocks;
  uint32_t parity = consumer.pipeline.parity();
  if (begin == 1 && left >= kNumStages) {
    multiply_rounds<1, 1, kConfig, kN>(main_acc, stages, parity);
  } else {
#pragma unroll 1
    for (int i = begin; i < min(left, kNumStages); ++i) {
      multiply_k_block<kConfig, kN>(main_acc, stages, i, parity);
    }
  }
  if (left >= kNumStages) {
    parity ^= 1;
    left -= kNumStages;
#pragma unroll 1
    for (; left >= 2 * kNumStages; left -= 2 * kNumStages) {
      multiply_rounds<2, 0, kConfig, kN>(main_acc, stages, parity);
    }
    if (left >= kNumStages) {
      multiply_rounds<1, 0, kConfig, kN>(main_acc, stages, parity);
      parity ^= 1;
      left -= kNumStages;
    }
#pragma unroll 1
    for (int i = 0; i < left; ++i) {
      multiply_k_block<kConfig, kN>(main_acc, stages, i, parity);
    }
  }
  consumer.pipeline.move_to(left, parity);
}

template <Config kConfig>
__device__ __forceinline__ WarpRows warp_rows(const OutTile& tile, const ThreadPosition& position) {
  const auto part = RowsPart::make<kConfig>(tile, position.warpgroup);
  const int warp = ptx::uniform(position.warp);
  return {tile.row_begin + part.row_begin + warp * 16,
          tile.row_begin + tile.num_rows,
          tile.col_begin + part.col_begin,
          position.warpgroup,
          warp,
          position.lane};
}

// The tile at hand and those behind it, as long as the warpgroup has all columns of each, and the
// next one's first stage is full when a tile is done: its products then start in front of the
// rounding and storing of the finished one, which takes longer than they do. What the next tile is
// turns out meanwhile; if it has fewer columns, or is the end, the products were for nothing.
template <Config kConfig, int kN>
__device__ __forceinline__ void compute_parts(Consumer<kConfig>& consumer, const OutTile& first,
                                              const RowsPart& part) {
  const int warpgroup = consumer.position().warpgroup;
  const bool goes_on = kConfig.gathers_out && kN == kConfig.cta_n && consumer.params.stores_boxes;
  Stages<kConfig> stages(consumer, part);
  stages.turn_to_rows(consumer.first_sfa(first) + part.row_begin);
  BlockAccumulator<kN> main_acc = {};
  multiply_k_block<kConfig, kN>(main_acc, stages, static_cast<int>(consumer.pipeline.stage_idx()),
                                consumer.pipeline.parity());
  for (;;) {
    accumulate_rows<kConfig, kN>(main_acc, stages, consumer);
    if (!goes_on || !consumer.pipeline.is_full(warpgroup)) break;
    const int stage_idx = static_cast<int>(consumer.pipeline.stage_idx());
    Products<kConfig, kN> products;
    products.start(stages, stage_idx);
    const OutTile next = consumer.next_tile();
    stages.turn_to_rows(consumer.first_sfa(next) + part.row_begin);
    products.factors.compute(load_scales<kN>(stages, stage_idx));
    store_rows_in_boxes<kConfig, kN>(main_acc, consumer,
                                     warp_rows<kConfig>(consumer.tile(), consumer.position()));
    ++consumer.tile_idx;
    if (!RowsPart::make<kConfig>(next, warpgroup).template is_wide<kConfig>()) {
      products.wait();
      return;
    }
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) main_acc[i] = 0;
    products.finish(main_acc, stages, stage_idx);
  }
  store_rows<kConfig, kN>(main_acc, consumer,
                          warp_rows<kConfig>(consumer.tile(), consumer.position()));
  ++consumer.tile_idx;
}

template <Config kConfig>
__device__ __forceinline__ void compute_rows(Consumer<kConfig>& consumer, const OutTile& tile) {
  const auto part = RowsPart::make<kConfig>(tile, consumer.position().warpgroup);
  if (part.num_cols == 0) {
    consumer.skip_tile();
  } else if (part.template is_wide<kConfig>()) {
    compute_parts<kConfig, kConfig.cta_n>(consumer, tile, part);
  } else if constexpr (kConfig.splits_rows) {
    compute_parts<kConfig, kConfig.half_n()>(consumer, tile, part);
  }
}

}  // namespace ggfp8::sm90
