// Products of decoded a and b in tile registers, and their promotion.
//
// NOTE: the unnamed namespace keeps the code apart from that of other files, as in amx_gemm_tile.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "backends/amx/amx_gemm.h"

namespace ggfp8 {
namespace {

constexpr int64_t kColTileFloats = kAmxRows * kAmxRows;
constexpr int64_t kRowTileFloats = 2 * kColTileFloats;  // 32 columns x 16 rows
constexpr int64_t kStepElementsB = 2 * kAmxElements;    // 32 columns x 32 k

constexpr int64_t lesser(int64_t x, int64_t y) {
  return x < y ? x : y;
}

constexpr int64_t divided_up(int64_t x, int64_t y) {
  return (x + y - 1) / y;
}

// A piece of k: decoded a and b, and the scales of its k-blocks.
struct AmxPiece {
  const uint16_t* a;  // the first row tile
  int64_t a_stride;   // elements from one row tile to the next
  const uint16_t* b;
  const float* sfa;    // of the first k-block and row tile
  int64_t sfa_stride;  // floats from one k-block to the next
  const float* sfb;    // of the first k-block
  int64_t num_k;
  int64_t block_k;  // elements of a k-block
};

// Multiplies one k-block: 32 columns with one row tile, or with two. The sums of a row tile follow
// those of the one before.
template <int kNumRowTiles, class Registers>
inline void multiply(Registers& registers, const uint16_t* b, const uint16_t* a, int64_t a_stride,
                     int64_t num_steps, float* sums) {
  registers.template zero<0>();
  registers.template zero<1>();
  if constexpr (kNumRowTiles == 2) {
    registers.template zero<2>();
    registers.template zero<3>();
  }
  for (int64_t step = 0; step < num_steps; ++step) {
    registers.template load<4>(b);
    registers.template load<6>(a);
    registers.template add_products<0, 4, 6>();
    registers.template load<5>(b + kAmxElements);
    registers.template add_products<1, 5, 6>();
    if constexpr (kNumRowTiles == 2) {
      registers.template load<7>(a + a_stride);
      registers.template add_products<2, 4, 7>();
      registers.template add_products<3, 5, 7>();
    }
    b += kStepElementsB;
    a += kAmxElements;
  }
  registers.template store<0>(sums);
  registers.template store<1>(sums + kColTileFloats);
  if constexpr (kNumRowTiles == 2) {
    registers.template store<2>(sums + kRowTileFloats);
    registers.template store<3>(sums + kRowTileFloats + kColTileFloats);
  }
}

// acc = fma(sfa * sfb, sums, acc) for 32 columns and the rows of the row tiles.
template <int kNumRowTiles>
inline void promote(const float* sums, const float* sfa, const float* sfb, float* acc) {
  for (int tile = 0; tile < kNumRowTiles; ++tile) {
    const __m512 row_scales = _mm512_load_ps(sfa + tile * kAmxRows);
    for (int64_t col = 0; col < kAmxPanelCols; ++col) {
      const int64_t at = tile * kRowTileFloats + col * kAmxRows;
      const __m512 scales = _mm512_mul_ps(row_scales, _mm512_set1_ps(sfb[col]));
      _mm512_store_ps(acc + at,
                      _mm512_fmadd_ps(scales, _mm512_load_ps(sums + at), _mm512_load_ps(acc + at)));
    }
  }
}

// Multiplies the k-blocks of a piece with one row tile or two. A k-block is promoted while the next
// one is multiplied, so its sums go to the other half of the buffer. meanwhile() is called after
// each k-block is given to the tile unit, which works on while vector instructions follow.
template <int kNumRowTiles, class Registers, class Meanwhile>
void multiply_piece(Registers& registers, const AmxPiece& piece, const Meanwhile& meanwhile,
                    float* sums, float* acc) {
  const auto sums_of = [&](int64_t block) { return sums + block % 2 * 2 * kRowTileFloats; };
  const auto multiply_block = [&](int64_t block) {
    const int64_t k = block * piece.block_k;
    const int64_t num_steps = divided_up(lesser(piece.block_k, piece.num_k - k), kAmxStepK);
    multiply<kNumRowTiles>(registers, piece.b + k / kAmxStepK * kStepElementsB,
                           piece.a + k * kAmxRows, piece.a_stride, num_steps, sums_of(block));
    meanwhile();
  };
  const auto promote_block = [&](int64_t block) {
    promote<kNumRowTiles>(sums_of(block), piece.sfa + block * piece.sfa_stride,
                          piece.sfb + block * kAmxPanelCols, acc);
  };
  const int64_t num_blocks = divided_up(piece.num_k, piece.block_k);
  multiply_block(0);
  for (int64_t block = 1; block < num_blocks; ++block) {
    multiply_block(block);
    promote_block(block - 1);
  }
  promote_block(num_blocks - 1);
}

}  // namespace
}  // namespace ggfp8
