// Products of decoded a and b in tile registers, and their promotion.
//
// NOTE: the unnamed namespace keeps the code apart from that of other files, as in amx_gemm_tile.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "backends/amx/amx_decode.h"
#include "backends/amx/amx_gemm.h"

namespace ggfp8 {
namespace {

constexpr int64_t kColTileFloats = kAmxRows * kAmxRows;
constexpr int64_t kRowTileFloats = 2 * kColTileFloats;  // 32 columns x 16 rows

constexpr int64_t kColsAtOnce = 4;  // that are promoted without a branch

// The promotion of one k-block: acc = fma(sfa * sfb, sums, acc) for the 32 columns of a panel and
// the rows of kNumRowTiles row tiles. Uniform: the columns have one scale, sfb[0].
template <int kNumRowTiles, bool kUniform>
class Promotion {
 public:
  Promotion() = default;  // has nothing to promote
  Promotion(const float* sums, const float* sfa, const float* sfb, float* acc)
      : sums_(sums), sfa_(sfa), sfb_(sfb), acc_(acc), next_col_(0) {}

  // Promotes the next num_cols columns, a multiple of kColsAtOnce, as far as there are so many.
  void promote_some(int64_t num_cols) {
    if (next_col_ < kAmxPanelCols) promote_to(lesser(next_col_ + num_cols, kAmxPanelCols));
  }

 private:
  // A function of its own finds registers for its pointers.
  __attribute__((noinline)) void promote_to(int64_t last) {
    const int64_t first = next_col_;
    next_col_ = last;
    for (int64_t tile = 0; tile < kNumRowTiles; ++tile) {
      const __m512 row_scales = _mm512_load_ps(sfa_ + tile * kAmxRows);
      const __m512 scales = _mm512_mul_ps(row_scales, _mm512_set1_ps(sfb_[0]));
      const float* sfb = sfb_ + first;
      const float* sums = sums_ + tile * kRowTileFloats + first * kAmxRows;
      float* acc = acc_ + tile * kRowTileFloats + first * kAmxRows;
      for (int64_t left = last - first; left > 0; left -= kColsAtOnce) {
        for (int i = 0; i < kColsAtOnce; ++i) {
          const __m512 of_col =
              kUniform ? scales : _mm512_mul_ps(row_scales, _mm512_set1_ps(sfb[i]));
          const __m512 x = _mm512_load_ps(sums + i * kAmxRows);
          const __m512 y = _mm512_load_ps(acc + i * kAmxRows);
          _mm512_store_ps(acc + i * kAmxRows, _mm512_fmadd_ps(of_col, x, y));
        }
        sfb += kColsAtOnce;
        sums += kColsAtOnce * kAmxRows;
        acc += kColsAtOnce * kAmxRows;
      }
    }
  }

  const float* sums_ = nullptr;
  const float* sfa_ = nullptr;
  const float* sfb_ = nullptr;
  float* acc_ = nullptr;
  int64_t next_col_ = kAmxPanelCols;
};

// The decoded elements of one k-block, and the place of its sums: those of a row tile follow those
// of the one before.
struct AmxBlock {
  const uint16_t* b;
  const uint16_t* a;
  int64_t a_stride;  // elements from one row tile to the next
  int64_t num_steps;
  float* sums;
};

// How often a product of so many steps decodes: after every second step, and once at least.
constexpr int64_t decodings_of(int64_t num_steps) {
  return num_steps > 1 ? num_steps / 2 : 1;
}

// Multiplies one k-block: 32 columns with one row tile, or with two. Promotes the k-block before,
// all of it before the sums are stored, and decodes b for later products.
//
// The order of a step is for processors that run out of physical tile registers, as they do where a
// second thread runs on the core: a load, and all that follows it, then waits for the products
// before it. So the loads come together, and vector instructions after the products, to run while
// the tile unit multiplies. Promotion and decoding take turns: few calls, each of some length.
//
// A function of its own finds registers for its pointers.
template <int kNumRowTiles, bool kUniform, class Registers>
__attribute__((noinline)) void multiply_block(Registers& registers, const AmxBlock& block,
                                              Promotion<kNumRowTiles, kUniform>& before,
                                              StripDecoder& next) {
  const uint16_t* b = block.b;
  const uint16_t* a = block.a;
  const int64_t num_steps = block.num_steps;
  const int64_t cols_at_a_time = num_steps > 2 ? kAmxPanelCols / 2 : kAmxPanelCols;
  registers.template zero<0>();
  registers.template zero<1>();
  if constexpr (kNumRowTiles == 2) {
    registers.template zero<2>();
    registers.template zero<3>();
  }
  for (int64_t step = 0; step < num_steps; ++step) {
    registers.template load<4>(b);
    registers.template load<5>(b + kAmxElements);
    registers.template load<6>(a);
    if constexpr (kNumRowTiles == 2) registers.template load<7>(a + block.a_stride);
    registers.template add_products<0, 4, 6>();
    registers.template add_products<1, 5, 6>();
    if constexpr (kNumRowTiles == 2) {
      registers.template add_products<2, 4, 7>();
      registers.template add_products<3, 5, 7>();
    }
    if (step % 2 == 0) before.promote_some(cols_at_a_time);
    if (step % 2 == 1 || num_steps == 1) next.decode_some();
    b += kStepElementsB;
    a += kAmxElements;
  }
  registers.template store<0>(block.sums);
  registers.template store<1>(block.sums + kColTileFloats);
  if constexpr (kNumRowTiles == 2) {
    registers.template store<2>(block.sums + kRowTileFloats);
    registers.template store<3>(block.sums + kRowTileFloats + kColTileFloats);
  }
}

// A section of k of a strip of b, and of one row tile of a or two: decoded elements, and the scales
// of the k-blocks.
struct AmxSection {
  const uint16_t* a;  // the first row tile
  int64_t a_stride;   // elements from one row tile to the next
  const uint16_t* b;
  const float* sfa;    // of the first k-block and row tile
  int64_t sfa_stride;  // floats from one k-block to the next
  const float* sfb;    // [k-blocks][panels][32 columns]
  float* acc;          // of the first panel and row tile
  int64_t acc_stride;  // floats from one panel to the next
  int64_t num_panels;
  int64_t num_k;
  int64_t piece_k;
  int64_t block_k;
};

// Multiplies a section. A k-block is promoted while the next one is multiplied. `next` decodes b
// for the following products meanwhile.
template <int kNumRowTiles, bool kUniform, class Registers>
void multiply_section(Registers& registers, const AmxSection& x, float* sums, StripDecoder& next) {
  Promotion<kNumRowTiles, kUniform> before;
  AmxBlock block = {nullptr, nullptr, x.a_stride, 0, sums};
  const uint16_t* piece_b = x.b;
  int64_t first_block = 0;  // of the piece
  for (int64_t piece = 0; piece < x.num_k; piece += x.piece_k) {
    const int64_t piece_k = lesser(x.piece_k, x.num_k - piece);
    int64_t number = first_block;
    for (int64_t panel = 0; panel < x.num_panels; ++panel, piece_b += kPieceElementsB) {
      number = first_block;
      for (int64_t k = 0; k < piece_k; k += x.block_k, ++number) {
        block.b = piece_b + k / kAmxStepK * kStepElementsB;
        block.a = x.a + (piece + k) * kAmxRows;
        block.num_steps = divided_up(lesser(x.block_k, piece_k - k), kAmxStepK);
        multiply_block(registers, block, before, next);
        before = {sums, x.sfa + number * x.sfa_stride,
                  x.sfb + (number * x.num_panels + panel) * kAmxPanelCols,
                  x.acc + panel * x.acc_stride};
      }
    }
    first_block = number;
  }
  before.promote_some(kAmxPanelCols);
}

}  // namespace
}  // namespace ggfp8
