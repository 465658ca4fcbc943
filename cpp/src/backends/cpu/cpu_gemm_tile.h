// The product of one tile, written once for all instruction sets. Each cpu_gemm_<isa>.cpp includes
// it with a policy class:
//
//   kRows                              rows of a register tile, which is two vectors wide
//   Floats, kLanes                     a vector of kLanes float32 values
//   load(x)                            the vector at x, an address aligned for it
//   broadcast(x)                       *x in every lane
//   add_product(sum, x, y)             sum + x * y, where x * y is exact
//   promote(sfa, sfb, sum, acc)        acc[i] = fma(*sfa * sfb[i], sum[i], acc[i])
//   decode_rows<dtype>(a, stride, num_rows, num_k, values)
//                                      values has kMaxGranularityK elements per row
//   decode_panel<dtype>(b, stride, num_cols, num_k, panel)
//                                      2 * kLanes columns of b, k-major; columns past num_cols
//                                      repeat the last one
//
// NOTE: everything here is in an unnamed namespace and calls no function of another header that is
// not always inlined, so that the linker cannot merge code compiled for one instruction set into
// that of another.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "backends/cpu/cpu_gemm.h"
#include "core/group_layout.h"
#include "host/output_convert.h"

// Accumulators stay in registers only if the loops over them are unrolled and their functions
// inlined.
#if defined(__clang__)
#define GGFP8_UNROLL _Pragma("unroll")
#else
#define GGFP8_UNROLL _Pragma("GCC unroll 16")
#endif
#define GGFP8_INLINE inline __attribute__((always_inline))

namespace ggfp8 {
namespace {

constexpr int64_t lesser(int64_t x, int64_t y) {
  return x < y ? x : y;
}

// Columns of a register tile, and of a panel of decoded b.
template <class Isa>
constexpr int kPanelCols = 2 * Isa::kLanes;

using DecodeRows = void (*)(const uint8_t* a, int64_t stride, int64_t num_rows, int64_t num_k,
                            float* values);
using DecodePanel = void (*)(const uint8_t* b, int64_t stride, int64_t num_cols, int64_t num_k,
                             float* panel);
using Multiply = void (*)(const float* a, const float* panel, int64_t num_k, const float* sfa,
                          const float* sfb, float* acc);

// Prefetches the k-block after the num_k codes at `codes`: no hardware prefetcher follows so many
// short pieces. Its first and last byte may lie in different lines.
inline void prefetch_next_block(const uint8_t* codes, int64_t num_k) {
  __builtin_prefetch(codes + num_k);
  __builtin_prefetch(codes + 2 * num_k - 1);
}

// Addresses of a panel's columns.
template <int kNumCols>
void locate_columns(const uint8_t* b, int64_t stride, int64_t num_cols, int64_t num_k,
                    const uint8_t* (&columns)[kNumCols]) {
  for (int64_t i = 0; i < kNumCols; ++i) {
    columns[i] = b + lesser(i, num_cols - 1) * stride;
    prefetch_next_block(columns[i], num_k);
  }
}

template <class Isa>
DecodeRows rows_decoder(Dtype dtype) {
  return dtype == Dtype::kFloat8E4M3 ? Isa::template decode_rows<Dtype::kFloat8E4M3>
                                     : Isa::template decode_rows<Dtype::kFloat8E5M2>;
}

template <class Isa>
DecodePanel panel_decoder(Dtype dtype) {
  return dtype == Dtype::kFloat8E4M3 ? Isa::template decode_panel<Dtype::kFloat8E4M3>
                                     : Isa::template decode_panel<Dtype::kFloat8E5M2>;
}

// Multiplies one register tile of one k-block and promotes it into acc.
template <class Isa, int kNumRows>
void multiply(const float* a, const float* panel, int64_t num_k, const float* sfa, const float* sfb,
              float* acc) {
  using Floats = typename Isa::Floats;
  Floats sum[kNumRows][2] = {};
  for (int64_t k = 0; k < num_k; ++k) {
    const Floats b0 = Isa::load(panel + k * kPanelCols<Isa>);
    const Floats b1 = Isa::load(panel + k * kPanelCols<Isa> + Isa::kLanes);
    GGFP8_UNROLL for (int row = 0; row < kNumRows; ++row) {
      const Floats value = Isa::broadcast(a + row * kMaxGranularityK + k);
      sum[row][0] = Isa::add_product(sum[row][0], value, b0);
      sum[row][1] = Isa::add_product(sum[row][1], value, b1);
    }
  }
  GGFP8_UNROLL for (int row = 0; row < kNumRows; ++row) {
    float* main_acc = acc + row * kMaxTileCols;
    Isa::promote(sfa + row, sfb, sum[row][0], main_acc);
    Isa::promote(sfa + row, sfb + Isa::kLanes, sum[row][1], main_acc + Isa::kLanes);
  }
}

// kForRows[i] multiplies i + 1 rows.
template <class Isa, class RowIndices = std::make_integer_sequence<int, Isa::kRows>>
struct MultiplyTable;

template <class Isa, int... kRowIndices>
struct MultiplyTable<Isa, std::integer_sequence<int, kRowIndices...>> {
  static constexpr Multiply kForRows[] = {multiply<Isa, kRowIndices + 1>...};
};

// Gathers the scale factors of one k-block: one per row and one per column of the tile.
inline void load_scales(const Problem& problem, const WorkTile& tile, int64_t k_block_idx,
                        const CpuScratch& scratch) {
  const float* sfa =
      problem.sfa.data + tile.group * problem.sfa.group_stride + k_block_idx * problem.sfa.k_stride;
  for (int64_t i = 0; i < tile.num_rows; ++i) {
    const int64_t block = scale_row(tile.row_begin + i, tile.group_begin, problem.granularity_m);
    scratch.sfa[i] = sfa[block * problem.sfa.mn_stride];
  }
  const float* sfb =
      problem.sfb.data + tile.group * problem.sfb.group_stride + k_block_idx * problem.sfb.k_stride;
  const int64_t col_end = tile.col_begin + tile.num_cols;
  for (int64_t col = tile.col_begin; col < col_end;) {
    const int64_t block = col / problem.granularity_n;
    const int64_t block_end = lesser((block + 1) * problem.granularity_n, col_end);
    const float scale = sfb[block * problem.sfb.mn_stride];
    for (; col < block_end; ++col) scratch.sfb[col - tile.col_begin] = scale;
  }
}

// All rows of the tile against one decoded panel, in register tiles of nearly equal height.
template <class Isa>
void multiply_panel(int64_t num_rows, int64_t num_k, int64_t col, const CpuScratch& scratch) {
  const int64_t num_register_tiles = (num_rows + Isa::kRows - 1) / Isa::kRows;
  const int64_t height = num_rows / num_register_tiles;
  const int64_t num_taller = num_rows % num_register_tiles;
  int64_t row = 0;
  for (int64_t i = 0; i < num_register_tiles; ++i) {
    const int64_t rows = height + (i < num_taller ? 1 : 0);
    MultiplyTable<Isa>::kForRows[rows - 1](scratch.a + row * kMaxGranularityK, scratch.panel, num_k,
                                           scratch.sfa + row, scratch.sfb + col,
                                           scratch.acc + row * kMaxTileCols + col);
    row += rows;
  }
}

template <class Isa>
void compute_tile(const Problem& problem, const WorkTile& tile, const CpuScratch& scratch) {
  const DecodeRows decode_rows = rows_decoder<Isa>(problem.a_dtype);
  const DecodePanel decode_panel = panel_decoder<Isa>(problem.b_dtype);
  const uint8_t* a =
      problem.a.data + tile.group * problem.a.group_stride + tile.row_begin * problem.a.row_stride;
  const uint8_t* b =
      problem.b.data + tile.group * problem.b.group_stride + tile.col_begin * problem.b.row_stride;

  std::memset(scratch.acc, 0, sizeof(float) * static_cast<size_t>(tile.num_rows * kMaxTileCols));
  for (int64_t k_block_idx = 0; k_block_idx < problem.num_k_blocks; ++k_block_idx) {
    const int64_t k_begin = k_block_idx * problem.granularity_k;
    const int64_t num_k = lesser(problem.granularity_k, problem.k - k_begin);
    load_scales(problem, tile, k_block_idx, scratch);
    decode_rows(a + k_begin, problem.a.row_stride, tile.num_rows, num_k, scratch.a);
    for (int64_t col = 0; col < tile.num_cols; col += kPanelCols<Isa>) {
      decode_panel(b + col * problem.b.row_stride + k_begin, problem.b.row_stride,
                   lesser(kPanelCols<Isa>, tile.num_cols - col), num_k, scratch.panel);
      multiply_panel<Isa>(tile.num_rows, num_k, col, scratch);
    }
  }

  const int64_t element_bytes = problem.out_dtype == Dtype::kFloat32 ? 4 : 2;
  for (int64_t row = 0; row < tile.num_rows; ++row) {
    char* out =
        static_cast<char*>(problem.out.data) +
        (tile.group * problem.out.group_stride + (tile.row_begin + row) * problem.out.row_stride) *
            element_bytes;
    store_row(problem.out_dtype, scratch.acc + row * kMaxTileCols, tile.num_cols, out,
              tile.col_begin);
  }
}

template <class Isa>
void decode_codes(Dtype dtype, const uint8_t* codes, int64_t count, float* values) {
  rows_decoder<Isa>(dtype)(codes, 0, 1, count, values);
}

}  // namespace
}  // namespace ggfp8
