// The product of one tile of the output, once for the processor's tile registers and for those in
// software of the tests. Registers is a class with the members of AmxRegisters:
//
//   zero<i>(), load<i>(from), store<i>(to)   register i, of 1 KiB
//   add_products<sums, x, y>()               TDPBF16PS: sums += x * y
//
//   for each chunk of k (all of k where rows are few)
//     decode a
//     for each turn: each panel of 32 columns, each piece of the chunk
//       for each pair of row tiles
//         for each k-block of the piece: multiply, promote into acc
//         meanwhile decode some columns of the next turn's b
//   store acc
//
// NOTE: everything here is in an unnamed namespace and calls no function of another header that is
// not always inlined, so that the linker cannot merge code compiled for one instruction set into
// that of another.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "backends/amx/amx_decode.h"
#include "backends/amx/amx_gemm.h"
#include "backends/amx/amx_multiply.h"
#include "core/group_layout.h"
#include "host/output_convert.h"
#include "host/work_tile.h"

namespace ggfp8 {
namespace {

// Sizes of the loops over k.
struct AmxSteps {
  int64_t block_k;       // elements of a k-block
  int64_t piece_k;       // elements of a piece
  int64_t chunk_k;       // elements of a chunk
  int64_t chunk_stride;  // elements of decoded a from one row tile to the next
};

// Decoding writes an even number of steps, so pieces and chunks have room for one.
inline AmxSteps steps_of(const Problem& problem, int64_t num_row_tiles) {
  AmxSteps steps;
  steps.block_k = problem.granularity_k;
  steps.piece_k = kAmxPieceSteps * kAmxStepK / steps.block_k * steps.block_k;
  const int64_t num_pieces = lesser(kAmxMaxTilesA / (num_row_tiles * kAmxPieceSteps),
                                    divided_up(problem.k, steps.piece_k));
  steps.chunk_k = num_pieces * steps.piece_k;
  steps.chunk_stride = divided_up(steps.chunk_k, 2 * kAmxStepK) * 2 * kAmxElements;
  return steps;
}

// One chunk of k of a tile.
struct AmxChunk {
  int64_t k_begin;
  int64_t num_k;
  int64_t num_pieces;
};

// Decodes a piece of a panel some columns at a time, between products.
class PanelDecoder {
 public:
  PanelDecoder() = default;  // has nothing to decode
  PanelDecoder(DecodeB decode, const PanelPiece& piece, int64_t cols_at_a_time)
      : decode_(decode), piece_(piece), cols_at_a_time_(cols_at_a_time), next_col_(0) {}

  void decode_some() { decode_to(lesser(next_col_ + cols_at_a_time_, kAmxPanelCols)); }
  void decode_rest() { decode_to(kAmxPanelCols); }

 private:
  void decode_to(int64_t last_col) {
    if (next_col_ < last_col) decode_(piece_, next_col_, last_col);
    next_col_ = last_col;
  }

  DecodeB decode_ = nullptr;
  PanelPiece piece_ = {};
  int64_t cols_at_a_time_ = 0;
  int64_t next_col_ = kAmxPanelCols;
};

// Computes one tile of the output.
template <class Registers>
class AmxTileProduct {
 public:
  AmxTileProduct(const Problem& problem, const WorkTile& tile, const AmxScratch& scratch,
                 Registers& registers)
      : problem_(problem),
        tile_(tile),
        scratch_(scratch),
        registers_(registers),
        num_row_tiles_(divided_up(tile.num_rows, kAmxRows)),
        num_panels_(divided_up(tile.num_cols, kAmxPanelCols)),
        steps_(steps_of(problem, num_row_tiles_)) {}

  void compute() {
    std::memset(scratch_.acc, 0, sizeof(float) * static_cast<size_t>(num_panels_ * acc_stride()));
    for (int64_t k = 0; k < problem_.k; k += steps_.chunk_k) {
      const int64_t num_k = lesser(steps_.chunk_k, problem_.k - k);
      multiply_chunk({k, num_k, divided_up(num_k, steps_.piece_k)});
    }
    for (int64_t panel = 0; panel < num_panels_; ++panel) store_panel(panel);
  }

 private:
  int64_t acc_stride() const { return num_row_tiles_ * kRowTileFloats; }  // between panels
  int64_t padded_rows() const { return num_row_tiles_ * kAmxRows; }
  int64_t first_col(int64_t panel) const { return tile_.col_begin + panel * kAmxPanelCols; }
  int64_t num_cols(int64_t panel) const {
    return lesser(kAmxPanelCols, tile_.num_cols - panel * kAmxPanelCols);
  }

  // Turns that follow one another have buffers of their own.
  uint16_t* b_of(int64_t turn) const {
    return scratch_.b + turn % 2 * kAmxPieceSteps * kStepElementsB;
  }
  float* sfb_of(int64_t turn) const {
    return scratch_.sfb + turn % 2 * kAmxPieceSteps * kAmxPanelCols;
  }

  void load_a(const AmxChunk& chunk) {
    const DecodeA decode = a_decoder(problem_.a_dtype);
    const uint8_t* a = problem_.a.data + tile_.group * problem_.a.group_stride +
                       tile_.row_begin * problem_.a.row_stride + chunk.k_begin;
    for (int64_t row = 0; row < tile_.num_rows; row += kAmxRows) {
      decode(a + row * problem_.a.row_stride, problem_.a.row_stride,
             lesser(kAmxRows, tile_.num_rows - row), chunk.num_k,
             scratch_.a + row / kAmxRows * steps_.chunk_stride);
    }
  }

  // Gathers the scales of the rows for the k-blocks of a chunk; those past the last row are zero.
  void load_sfa(const AmxChunk& chunk) {
    const float* sfa = problem_.sfa.data + tile_.group * problem_.sfa.group_stride;
    float* to = scratch_.sfa;
    for (int64_t k = chunk.k_begin; k < chunk.k_begin + chunk.num_k; k += steps_.block_k) {
      const float* of_block = sfa + k / steps_.block_k * problem_.sfa.k_stride;
      for (int64_t i = 0; i < tile_.num_rows; ++i) {
        const int64_t row =
            scale_row(tile_.row_begin + i, tile_.group_begin, problem_.granularity_m);
        to[i] = of_block[row * problem_.sfa.mn_stride];
      }
      for (int64_t i = tile_.num_rows; i < padded_rows(); ++i) to[i] = 0.0f;
      to += padded_rows();
    }
  }

  // Gathers the scales of a panel's columns for the k-blocks of a piece; columns past the last one
  // have its scale. Divides once: 32 divisions for each k-block would show where rows are few.
  void load_sfb(int64_t panel, int64_t k_block, int64_t num_k_blocks, float* to) {
    const Scales& sfb = problem_.sfb;
    const float* group = sfb.data + tile_.group * sfb.group_stride;
    const int64_t first = first_col(panel), last = first + num_cols(panel) - 1;
    const int64_t first_block = first / problem_.granularity_n;
    for (int64_t i = k_block; i < k_block + num_k_blocks; ++i, to += kAmxPanelCols) {
      int64_t block = first_block, block_end = (block + 1) * problem_.granularity_n;
      for (int64_t col = first; col < first + kAmxPanelCols; ++col) {
        if (col == block_end && col <= last) {
          ++block;
          block_end += problem_.granularity_n;
        }
        to[col - first] = group[i * sfb.k_stride + block * sfb.mn_stride];
      }
    }
  }

  void multiply_chunk(const AmxChunk& chunk) {
    load_a(chunk);
    load_sfa(chunk);
    const int64_t num_turns = num_panels_ * chunk.num_pieces;
    prepare(chunk, 0).decode_rest();
    for (int64_t turn = 0; turn < num_turns; ++turn) {
      PanelDecoder next;
      if (turn + 1 < num_turns) next = prepare(chunk, turn + 1);
      multiply_turn(chunk, turn, next);
      next.decode_rest();
    }
  }

  // Loads the scales of b for a turn, and returns the decoder of its codes.
  PanelDecoder prepare(const AmxChunk& chunk, int64_t turn) {
    const int64_t panel = turn / chunk.num_pieces;
    const int64_t k = turn % chunk.num_pieces * steps_.piece_k;
    const int64_t num_k = lesser(steps_.piece_k, chunk.num_k - k);
    const int64_t stride = problem_.b.row_stride;
    const int64_t num_k_blocks = divided_up(num_k, steps_.block_k);
    load_sfb(panel, (chunk.k_begin + k) / steps_.block_k, num_k_blocks, sfb_of(turn));
    PanelPiece piece;
    piece.b = problem_.b.data + tile_.group * problem_.b.group_stride + first_col(panel) * stride +
              chunk.k_begin + k;
    piece.stride = stride;
    piece.num_cols = num_cols(panel);
    piece.num_k = num_k;
    piece.next_offset = k + num_k == chunk.num_k ? kAmxPanelCols * stride - k : num_k;
    piece.tiles = b_of(turn);
    const int64_t num_products = divided_up(num_row_tiles_, 2) * num_k_blocks;
    return PanelDecoder(b_decoder(problem_.b_dtype), piece,
                        divided_up(kAmxPanelCols, num_products));
  }

  // Multiplies a turn's piece of b with all row tiles, and decodes the next one meanwhile.
  void multiply_turn(const AmxChunk& chunk, int64_t turn, PanelDecoder& next) {
    const int64_t k = turn % chunk.num_pieces * steps_.piece_k;
    AmxPiece piece;
    piece.a = scratch_.a + k * kAmxRows;
    piece.a_stride = steps_.chunk_stride;
    piece.b = b_of(turn);
    piece.sfa = scratch_.sfa + k / steps_.block_k * padded_rows();
    piece.sfa_stride = padded_rows();
    piece.sfb = sfb_of(turn);
    piece.num_k = lesser(steps_.piece_k, chunk.num_k - k);
    piece.block_k = steps_.block_k;
    float* acc = scratch_.acc + turn / chunk.num_pieces * acc_stride();
    const auto decode_next = [&next] { next.decode_some(); };
    for (int64_t tile = 0; tile < num_row_tiles_; tile += 2) {
      if (tile + 1 < num_row_tiles_) {
        multiply_piece<2>(registers_, piece, decode_next, scratch_.sums, acc);
      } else {
        multiply_piece<1>(registers_, piece, decode_next, scratch_.sums, acc);
      }
      piece.a += 2 * piece.a_stride;
      piece.sfa += 2 * kAmxRows;
      acc += 2 * kRowTileFloats;
    }
  }

  void store_panel(int64_t panel) {
    alignas(64) float values[kAmxRows][kAmxPanelCols];
    for (int64_t row_tile = 0; row_tile < num_row_tiles_; ++row_tile) {
      const float* acc = scratch_.acc + panel * acc_stride() + row_tile * kRowTileFloats;
      for (int64_t half = 0; half < kAmxPanelCols; half += kAmxRows) {
        __m512i columns[kAmxRows];
        for (int64_t i = 0; i < kAmxRows; ++i) {
          columns[i] = _mm512_load_si512(acc + (half + i) * kAmxRows);
        }
        transpose_dwords(columns);
        for (int64_t i = 0; i < kAmxRows; ++i) _mm512_store_si512(values[i] + half, columns[i]);
      }
      const int64_t row = row_tile * kAmxRows;
      const int64_t num_rows = lesser(kAmxRows, tile_.num_rows - row);
      for (int64_t i = 0; i < num_rows; ++i) store_columns(row + i, panel, values[i]);
    }
  }

  // Converts and stores a panel's columns of a row of the tile.
  void store_columns(int64_t row, int64_t panel, const float* values) {
    const int64_t element_bytes = problem_.out_dtype == Dtype::kFloat32 ? 4 : 2;
    char* out = static_cast<char*>(problem_.out.data) +
                (tile_.group * problem_.out.group_stride +
                 (tile_.row_begin + row) * problem_.out.row_stride) *
                    element_bytes;
    store_row(problem_.out_dtype, values, num_cols(panel), out, first_col(panel));
  }

  const Problem& problem_;
  const WorkTile& tile_;
  const AmxScratch& scratch_;
  Registers& registers_;
  const int64_t num_row_tiles_;
  const int64_t num_panels_;
  const AmxSteps steps_;
};

}  // namespace
}  // namespace ggfp8
