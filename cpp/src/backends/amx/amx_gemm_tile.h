// The product of one tile of the output, once for the processor's tile registers and for those in
// software of the tests. Registers is a class with the members of AmxRegisters:
//
//   zero<i>(), load<i>(from), store<i>(to)   register i, of 1 KiB
//   add_products<sums, x, y>()               TDPBF16PS: sums += x * y
//
//   for each chunk of k (all of k where rows are few)
//     decode a
//     for each turn: each strip of 64 columns, each section of the chunk
//       for each pair of row tiles
//         for each piece of the section, panel of the strip, k-block: multiply
//         meanwhile promote the k-block before, and decode some of the next turn's b
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
  int64_t section_k;     // elements of a section
  int64_t chunk_k;       // elements of a chunk
  int64_t chunk_stride;  // elements of decoded a from one row tile to the next
};

// A section of one piece stays in the L1 cache. Several pieces are worthwhile where many row tiles
// take turns: the accumulators of a pair of row tiles stay in the L1 cache for a section.
//
// Decoding writes an even number of steps, so pieces and chunks have room for one.
inline AmxSteps steps_of(const Problem& problem, int64_t num_row_tiles) {
  const bool few_rows = num_row_tiles <= kAmxFewRowTiles;
  AmxSteps steps;
  steps.block_k = problem.granularity_k;
  steps.piece_k = kAmxPieceSteps * kAmxStepK / steps.block_k * steps.block_k;
  steps.section_k = (num_row_tiles <= 2 ? 1 : kAmxMaxSectionPieces) * steps.piece_k;
  const int64_t max_tiles = few_rows ? kAmxMaxTilesFewRows : kAmxMaxTilesA;
  const int64_t num_pieces =
      lesser(max_tiles / (num_row_tiles * kAmxPieceSteps), divided_up(problem.k, steps.piece_k));
  steps.chunk_k = num_pieces * steps.piece_k;
  steps.chunk_stride = divided_up(steps.chunk_k, 2 * kAmxStepK) * 2 * kAmxElements;
  return steps;
}

// One chunk of k of a tile.
struct AmxChunk {
  int64_t k_begin;
  int64_t num_k;
  int64_t num_sections;
};

// A section of a strip: its number among the turns of a chunk, and where it lies.
struct AmxTurn {
  int64_t number;
  int64_t panel;  // the first one
  int64_t num_panels;
  int64_t k;  // in the chunk
  int64_t num_k;
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
      multiply_chunk({k, num_k, divided_up(num_k, steps_.section_k)});
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
    return scratch_.b + turn % 2 * kAmxMaxSectionPieces * kAmxStripPanels * kPieceElementsB;
  }
  float* sfb_of(int64_t turn) const {
    return scratch_.sfb +
           turn % 2 * kAmxMaxSectionPieces * kAmxPieceSteps * kAmxStripPanels * kAmxPanelCols;
  }

  // Decodes the rows of a chunk and gathers their scales, unless the tile before left all of them.
  void load_rows(const AmxChunk& chunk) {
    AmxLoadedRows& loaded = *scratch_.loaded;
    const bool is_whole = chunk.num_k == problem_.k;
    if (is_whole && loaded.group == tile_.group && loaded.row_begin == tile_.row_begin &&
        loaded.num_rows == tile_.num_rows) {
      return;
    }
    loaded.group = is_whole ? tile_.group : -1;
    loaded.row_begin = tile_.row_begin;
    loaded.num_rows = tile_.num_rows;
    load_a(chunk);
    load_sfa(chunk);
  }

  void load_a(const AmxChunk& chunk) {
    const Bf16ByteTables& tables = bf16_byte_tables(problem_.a_dtype);
    const uint8_t* a = problem_.a.data + tile_.group * problem_.a.group_stride +
                       tile_.row_begin * problem_.a.row_stride + chunk.k_begin;
    for (int64_t row = 0; row < tile_.num_rows; row += kAmxRows) {
      decode_a(tables, a + row * problem_.a.row_stride, problem_.a.row_stride,
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

  // Whether every panel has one scale in each k-block: panels begin at multiples of 32.
  bool is_uniform() const { return problem_.granularity_n % kAmxPanelCols == 0; }

  // Gathers the scales of a panel's columns for k-blocks, `stride` floats apart; columns past the
  // last one have its scale. Divides once: 32 divisions for each k-block would show where rows are
  // few.
  void load_sfb(int64_t panel, int64_t k_block, int64_t num_k_blocks, int64_t stride, float* to) {
    const Scales& sfb = problem_.sfb;
    const float* group = sfb.data + tile_.group * sfb.group_stride;
    const int64_t first = first_col(panel), last = first + num_cols(panel) - 1;
    const int64_t first_block = first / problem_.granularity_n;
    const int64_t num_scales = is_uniform() ? 1 : kAmxPanelCols;
    for (int64_t i = k_block; i < k_block + num_k_blocks; ++i, to += stride) {
      int64_t block = first_block, block_end = (block + 1) * problem_.granularity_n;
      for (int64_t col = first; col < first + num_scales; ++col) {
        if (col == block_end && col <= last) {
          ++block;
          block_end += problem_.granularity_n;
        }
        to[col - first] = group[i * sfb.k_stride + block * sfb.mn_stride];
      }
    }
  }

  void multiply_chunk(const AmxChunk& chunk) {
    load_rows(chunk);
    const int64_t num_turns = divided_up(num_panels_, kAmxStripPanels) * chunk.num_sections;
    AmxTurn turn = turn_of(chunk, 0);
    prepare(chunk, turn).decode_rest();
    for (int64_t number = 1; number <= num_turns; ++number) {
      StripDecoder decoder;
      const AmxTurn next = turn_of(chunk, number);
      if (number < num_turns) decoder = prepare(chunk, next);
      multiply_turn(turn, decoder);
      decoder.decode_rest();
      turn = next;
    }
  }

  AmxTurn turn_of(const AmxChunk& chunk, int64_t number) const {
    AmxTurn turn;
    turn.number = number;
    turn.panel = number / chunk.num_sections * kAmxStripPanels;
    turn.num_panels = lesser(kAmxStripPanels, num_panels_ - turn.panel);
    turn.k = number % chunk.num_sections * steps_.section_k;
    turn.num_k = lesser(steps_.section_k, chunk.num_k - turn.k);
    return turn;
  }

  // Loads the scales of b for a turn, and returns the decoder of its codes.
  StripDecoder prepare(const AmxChunk& chunk, const AmxTurn& turn) {
    constexpr int64_t kPrefetchCols = 4;
    const int64_t stride = problem_.b.row_stride;
    const int64_t k = chunk.k_begin + turn.k;
    const int64_t num_k_blocks = divided_up(turn.num_k, steps_.block_k);
    StripSection section;
    section.b = problem_.b.data + tile_.group * problem_.b.group_stride +
                first_col(turn.panel) * stride + k;
    section.stride = stride;
    section.num_cols = 0;
    section.num_tile_cols = turn.num_panels * kAmxPanelCols;
    section.num_k = turn.num_k;
    section.piece_k = steps_.piece_k;
    section.tiles = b_of(turn.number);
    if (steps_.section_k > steps_.piece_k) {
      section.prefetch_offset = kPrefetchCols * stride;
    } else if (turn.k + turn.num_k < chunk.num_k) {
      section.prefetch_offset = turn.num_k;
    } else {
      section.prefetch_offset = section.num_tile_cols * stride - turn.k;
    }
    for (int64_t i = 0; i < turn.num_panels; ++i) {
      section.num_cols += num_cols(turn.panel + i);
      load_sfb(turn.panel + i, k / steps_.block_k, num_k_blocks, turn.num_panels * kAmxPanelCols,
               sfb_of(turn.number) + i * kAmxPanelCols);
    }
    const int64_t num_products = divided_up(num_row_tiles_, 2) * turn.num_panels * num_k_blocks;
    return StripDecoder(bf16_byte_tables(problem_.b_dtype), section,
                        num_products * decodings_of(steps_.block_k / kAmxStepK));
  }

  // Multiplies a turn's section of b with all row tiles, and decodes the next one meanwhile.
  void multiply_turn(const AmxTurn& turn, StripDecoder& next) {
    AmxSection section;
    section.a = scratch_.a + turn.k * kAmxRows;
    section.a_stride = steps_.chunk_stride;
    section.b = b_of(turn.number);
    section.sfa = scratch_.sfa + turn.k / steps_.block_k * padded_rows();
    section.sfa_stride = padded_rows();
    section.sfb = sfb_of(turn.number);
    section.acc = scratch_.acc + turn.panel * acc_stride();
    section.acc_stride = acc_stride();
    section.num_panels = turn.num_panels;
    section.num_k = turn.num_k;
    section.piece_k = steps_.piece_k;
    section.block_k = steps_.block_k;
    for (int64_t tile = 0; tile < num_row_tiles_; tile += 2) {
      if (tile + 1 < num_row_tiles_) {
        multiply_rows<2>(section, next);
      } else {
        multiply_rows<1>(section, next);
      }
      section.a += 2 * section.a_stride;
      section.sfa += 2 * kAmxRows;
      section.acc += 2 * kRowTileFloats;
    }
  }

  template <int kNumRowTiles>
  void multiply_rows(const AmxSection& section, StripDecoder& next) {
    if (is_uniform()) {
      multiply_section<kNumRowTiles, true>(registers_, section, scratch_.sums, next);
    } else {
      multiply_section<kNumRowTiles, false>(registers_, section, scratch_.sums, next);
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
