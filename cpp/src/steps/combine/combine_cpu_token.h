// Sums the rows of one token on the CPU, written once for all instruction sets. Included by each
// combine_cpu_<isa>.cpp, whose flags let the compiler vectorise the loops.
//
// NOTE: everything here is in an unnamed namespace and calls no inline function with external
// linkage, so that the linker cannot merge code of one instruction set into that of another.
#pragma once

#include <cstdint>

#include "host/input_convert.h"
#include "host/output_convert.h"
#include "host/vectors.h"
#include "steps/combine/combine_cpu.h"

namespace ggfp8::steps {
namespace {

constexpr int64_t kTileColumns = 512;  // the sums of a tile stay in the first-level cache

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

template <Dtype kIn>
inline void add_row(const Input<kIn>* x, int64_t count, float weight, float* sums) {
  if constexpr (kIn == Dtype::kFloat16 && kConvertsHalves) {
    constexpr int64_t kLanes = kVectorBytes / 4;
    if (count % kLanes == 0) {
      for (int64_t i = 0; i < count; i += kLanes) {
        Floats sum;
        __builtin_memcpy(&sum, sums + i, sizeof(sum));
        sum = fused_multiply_add(halves_to_floats(x + i), weight, sum);
        __builtin_memcpy(sums + i, &sum, sizeof(sum));
      }
      return;
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    sums[i] = __builtin_fmaf(weight, to_float<kIn>(x[i]), sums[i]);
  }
}

template <Dtype kIn>
void combine_token(const CombineProblem& problem, int64_t token) {
  const int64_t out_bytes = problem.out_dtype == Dtype::kFloat32 ? 4 : 2;
  const int32_t* position = problem.position + token * problem.position_row_stride;
  char* out = static_cast<char*>(problem.out) + token * problem.out_row_stride * out_bytes;
  float sums[kTileColumns];
  for (int64_t begin = 0; begin < problem.k; begin += kTileColumns) {
    const int64_t left = problem.k - begin;
    const int64_t count = left < kTileColumns ? left : kTileColumns;
    for (int64_t i = 0; i < count; ++i) sums[i] = 0.0f;
    for (int64_t j = 0; j < problem.top_k; ++j) {
      const int64_t row = position[j];
      if (row < 0 || row >= problem.x_rows) continue;
      const auto* x = static_cast<const Input<kIn>*>(problem.x) + row * problem.x_row_stride;
      const float weight = load_weight(problem, token * problem.weight_row_stride + j);
      if (count == kTileColumns) {
        add_row<kIn>(x + begin, kTileColumns, weight, sums);
      } else {
        add_row<kIn>(x + begin, count, weight, sums);
      }
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
