// Sums the rows of one token on the CPU, written once for all instruction sets. Included by each
// combine_cpu_<isa>.cpp, whose flags let the compiler vectorise the loops.
//
// NOTE: everything here is in an unnamed namespace and calls no inline function with external
// linkage, so that the linker cannot merge code of one instruction set into that of another.
#pragma once

#include <cstdint>

#include "host/input_convert.h"
#include "host/output_convert.h"
#include "host/vector_load.h"
#include "steps/combine/combine_cpu.h"

namespace ggfp8::steps {
namespace {

constexpr int64_t kTileColumns = 512;  // the sums of a tile stay in the first-level cache
constexpr int64_t kMaxRows = 16;       // that are added together

template <Dtype kDtype>
inline float element(const void* data, int64_t idx) {
  return to_float<kDtype>(static_cast<const Input<kDtype>*>(data)[idx]);
}

inline float load_weight(const CombineProblem& problem, int64_t idx) {
  switch (problem.weight_dtype) {
    case Dtype::kBFloat16: return element<Dtype::kBFloat16>(problem.weight, idx);
    case Dtype::kFloat16: return element<Dtype::kFloat16>(problem.weight, idx);
    default: return element<Dtype::kFloat32>(problem.weight, idx);
  }
}

// A row of x and its weight.
template <Dtype kIn>
struct WeightedRow {
  const Input<kIn>* x;
  float weight;
};

// Adds the columns from `begin` on of one row.
template <Dtype kIn>
inline void add_row(const WeightedRow<kIn>& row, int64_t begin, int64_t count, float* sums) {
  for (int64_t i = 0; i < count; ++i) {
    sums[i] = __builtin_fmaf(row.weight, to_float<kIn>(row.x[begin + i]), sums[i]);
  }
}

#if defined(__FMA__)
// Adds whole pieces of columns of all rows, which are read as streams: the sums of a piece stay in
// registers while rows are added in their order. Returns the number of columns.
template <Dtype kIn>
inline int64_t add_pieces(const WeightedRow<kIn>* rows, int64_t num_rows, int64_t begin,
                          int64_t count, float* sums) {
  constexpr int64_t kPieceVectors = 4;
  constexpr int64_t kPieceColumns = kPieceVectors * kLanes;
  int64_t done = 0;
  for (; done + kPieceColumns <= count; done += kPieceColumns) {
    Floats piece[kPieceVectors];
    __builtin_memcpy(piece, sums + done, sizeof(piece));
    for (int64_t r = 0; r < num_rows; ++r) {
      const Input<kIn>* x = rows[r].x + begin + done;
      for (int64_t i = 0; i < kPieceVectors; ++i) {
        const Floats elements = load_floats<kIn>(x + i * kLanes);
        piece[i] = fused_multiply_add(elements, rows[r].weight, piece[i]);
      }
    }
    __builtin_memcpy(sums + done, piece, sizeof(piece));
  }
  return done;
}
#else
// Instructions that fuse are the compiler's choice in add_row().
template <Dtype kIn>
inline int64_t add_pieces(const WeightedRow<kIn>*, int64_t, int64_t, int64_t, float*) {
  return 0;
}
#endif

template <Dtype kIn>
inline void add_rows(const WeightedRow<kIn>* rows, int64_t num_rows, int64_t begin, int64_t count,
                     float* sums) {
  const int64_t done = add_pieces<kIn>(rows, num_rows, begin, count, sums);
  if (done == count) return;
  for (int64_t r = 0; r < num_rows; ++r) {
    add_row<kIn>(rows[r], begin + done, count - done, sums + done);
  }
}

// Finds the rows of up to kMaxRows choices of a token; returns their number.
template <Dtype kIn>
inline int64_t find_rows(const CombineProblem& problem, int64_t token, int64_t first_choice,
                         WeightedRow<kIn> (&rows)[kMaxRows]) {
  const int32_t* position = problem.position + token * problem.position_row_stride;
  const int64_t left = problem.top_k - first_choice;
  const int64_t end = first_choice + (left < kMaxRows ? left : kMaxRows);
  int64_t num_rows = 0;
  for (int64_t j = first_choice; j < end; ++j) {
    const int64_t row = position[j];
    if (row < 0 || row >= problem.x_rows) continue;
    rows[num_rows++] = {static_cast<const Input<kIn>*>(problem.x) + row * problem.x_row_stride,
                        load_weight(problem, token * problem.weight_row_stride + j)};
  }
  return num_rows;
}

template <Dtype kIn>
void combine_token(const CombineProblem& problem, int64_t token) {
  const int64_t out_bytes = problem.out_dtype == Dtype::kFloat32 ? 4 : 2;
  char* out = static_cast<char*>(problem.out) + token * problem.out_row_stride * out_bytes;
  WeightedRow<kIn> rows[kMaxRows];
  int64_t num_rows = 0;
  float sums[kTileColumns];
  for (int64_t begin = 0; begin < problem.k; begin += kTileColumns) {
    const int64_t left = problem.k - begin;
    const int64_t count = left < kTileColumns ? left : kTileColumns;
    for (int64_t i = 0; i < count; ++i) sums[i] = 0.0f;
    for (int64_t first = 0; first < problem.top_k; first += kMaxRows) {
      const bool is_found = begin > 0 && problem.top_k <= kMaxRows;
      if (!is_found) num_rows = find_rows<kIn>(problem, token, first, rows);
      add_rows<kIn>(rows, num_rows, begin, count, sums);
    }
    store_row(problem.out_dtype, sums, count, out, begin);
  }
}

CombineToken find_token_function(Dtype x_dtype) {
  if (x_dtype == Dtype::kBFloat16) return combine_token<Dtype::kBFloat16>;
  if (x_dtype == Dtype::kFloat16) return combine_token<Dtype::kFloat16>;
  return combine_token<Dtype::kFloat32>;
}

}  // namespace
}  // namespace ggfp8::steps
