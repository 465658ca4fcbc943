// Reads the elements of a chunk: from x itself, or from the gate and up halves of a row of x.
//
// A source has the raw bits of a chunk, which a thread requests for several rows before it waits
// for the first, and turns them into float32.
#pragma once

#include <cstdint>

#include "ptx/fast_math.cuh"
#include "steps/chunk.cuh"
#include "steps/quantize/quantize_config.h"
#include "steps/quantize/quantize_params.h"

namespace ggfp8::steps {

template <Dtype kDtype>
struct PlainSource {
  static constexpr bool kHasTilesFirst = true;  // may have them
  static constexpr Dtype kInput = kDtype;
  static constexpr int kSize = kChunkSize;

  Chunk<kDtype, kSize> chunk;

  // Loads the chunk at `x`: a full and aligned one, or `length` elements.
  __device__ __forceinline__ void load_full(const Element<kDtype>* x, int64_t) {
    steps::load_full(chunk, x);
  }
  __device__ __forceinline__ void load_part(const Element<kDtype>* x, int64_t, int length) {
    steps::load_part(chunk, x, length);
  }

  __device__ __forceinline__ void values(const QuantizeParams&, float (&values)[kSize]) const {
    to_floats(chunk, values);
  }
};

template <Dtype kDtype, int kChunk>
struct GateSource {
  static constexpr bool kHasTilesFirst = false;
  static constexpr Dtype kInput = kDtype;
  static constexpr int kSize = kChunk;

  Chunk<kDtype, kSize> gate;
  Chunk<kDtype, kSize> up;

  // The up half lies k elements after the gate half.
  __device__ __forceinline__ void load_full(const Element<kDtype>* x, int64_t k) {
    steps::load_full(gate, x);
    steps::load_full(up, x + k);
  }
  __device__ __forceinline__ void load_part(const Element<kDtype>* x, int64_t k, int length) {
    steps::load_part(gate, x, length);
    steps::load_part(up, x + k, length);
  }

  __device__ __forceinline__ void values(const QuantizeParams& params,
                                         float (&values)[kSize]) const {
    const Gate& rule = params.problem.gate;
    float ups[kSize];
    to_floats(gate, values);
    to_floats(up, ups);
    if (rule.has_limit) {
#pragma unroll
      for (int i = 0; i < kSize; ++i) {
        values[i] = ptx::min_or_nan(values[i], rule.limit);
        ups[i] = ptx::max_or_nan(ptx::min_or_nan(ups[i], rule.limit), -rule.limit);
      }
    }
    if (rule.adds_one) {
#pragma unroll
      for (int i = 0; i < kSize; ++i) ups[i] += 1.0f;
    }
    constexpr float kMinusLog2E = -0x1.715476p+0f;
    const float factor = kMinusLog2E * rule.alpha;
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      const float exponential = ptx::exp2_approx(factor * values[i]);
      values[i] = values[i] * ptx::reciprocal_approx(1.0f + exponential) * ups[i];
    }
  }
};

// Requests `length` elements of several rows at column `col`. row_of(i) is the row of x, or
// negative for none, whose chunk is then left alone.
template <class Source, int kNumRows, class RowOf>
__device__ __forceinline__ void load_rows(Source (&chunks)[kNumRows], const QuantizeParams& params,
                                          int32_t matrix, int32_t col, int length,
                                          const RowOf& row_of) {
  const QuantizeProblem& p = params.problem;
  const auto* x =
      static_cast<const Element<Source::kInput>*>(p.x) + matrix * p.x_batch_stride + col;
  if (params.x_aligned && length == Source::kSize) {
#pragma unroll
    for (int i = 0; i < kNumRows; ++i) {
      if (row_of(i) >= 0) chunks[i].load_full(x + row_of(i) * p.x_row_stride, p.k);
    }
  } else {
#pragma unroll
    for (int i = 0; i < kNumRows; ++i) {
      if (row_of(i) >= 0) chunks[i].load_part(x + row_of(i) * p.x_row_stride, p.k, length);
    }
  }
}

}  // namespace ggfp8::steps
