// The epilogue of small blocks: rounds the accumulators and stores them pair by pair. Where the
// pairs of a thread go is computed before the mainloop, and lanes exchange nothing: a call of few
// tiles waits for its last store.
#pragma once

#include <cstdint>
#include <type_traits>

#include "backends/sm90/sm90_consumer.cuh"
#include "device/out_store.cuh"
#include "ptx/out_convert.cuh"

namespace ggfp8::sm90 {

// The part of the output that a thread has of a tile.
template <Config kConfig>
class SmallOut {
 public:
  __device__ __forceinline__ SmallOut(const Consumer<kConfig>& consumer, const CtaTile& tile) {
    const Params& params = consumer.params;
    const ThreadPosition position = consumer.position();
    const int32_t row = tile.row_begin + position.m;
    first_ = tile.group_idx * params.out_slab_stride + row * params.out_row_stride +
             tile.col_begin + position.n;
    num_rows_ = tile.num_rows - position.m;
    num_cols_ = params.n - tile.col_begin;
  }

  __device__ __forceinline__ void store(const BlockAccumulator<kConfig.block_n>& main_acc,
                                        const Params& params) const {
    switch (params.out_dtype) {
      case Dtype::kBFloat16: store_as<Dtype::kBFloat16>(main_acc, params); break;
      case Dtype::kFloat16: store_as<Dtype::kFloat16>(main_acc, params); break;
      default: store_as<Dtype::kFloat32>(main_acc, params);
    }
  }

 private:
  // The thread's rows are the first one and the one 8 further; its columns are a pair in every
  // eight, which exist together: n is a multiple of 8.
  template <Dtype kDtype>
  __device__ __forceinline__ void store_as(const BlockAccumulator<kConfig.block_n>& main_acc,
                                           const Params& params) const {
    using Traits = ptx::OutTraits<kDtype>;
    using Element = typename Traits::Element;
    const auto store_pairs = [&](auto aligned) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        Element* const out =
            static_cast<Element*>(params.out) + first_ + half * 8 * params.out_row_stride;
#pragma unroll
        for (int block = 0; block < kConfig.block_n / 8; ++block) {
          const float* const values = main_acc + block * 4 + half * 2;
          if (half * 8 < num_rows_ && block * 8 < num_cols_) {
            const typename Traits::Pair pair = Traits::pair(values[0], values[1]);
            const Element elements[] = {pair.x, pair.y};
            device::store_elements<aligned.value>(out + block * 8, pair, elements);
          }
        }
      }
    };
    if (params.out_aligned) {
      store_pairs(std::true_type());
    } else {
      store_pairs(std::false_type());
    }
  }

  int64_t first_;     // element of the output
  int32_t num_rows_;  // of the tile, from the thread's first row on
  int32_t num_cols_;  // of the output, from the tile's first column on
};

}  // namespace ggfp8::sm90
