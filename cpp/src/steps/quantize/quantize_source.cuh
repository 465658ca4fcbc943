// Where the elements of a chunk come from: x itself, or the gate and up halves of a row of x.
//
// A source has the raw bits of a chunk, which a thread requests for several rows before it waits
// for the first, and turns them into float32.
#pragma once

#include <cstdint>

#include "ptx/fast_math.cuh"
#include "steps/chunk.cuh"
#include "steps/quantize/quantize_params.h"

namespace ggfp8::steps {

template <Dtype kDtype>
struct PlainSource {
  static constexpr int kCtasPerSm = 3;  // that registers allow

  Chunk<kDtype> chunk;

  // `length` elements at column `col` of row `row` of x.
  __device__ __forceinline__ void load(const QuantizeParams& params, int64_t matrix, int64_t row,
                                       int64_t col, int length) {
    const QuantizeProblem& p = params.problem;
    const auto* x = static_cast<const Element<kDtype>*>(p.x) + matrix * p.x_batch_stride +
                    row * p.x_row_stride + col;
    load_chunk(chunk, x, length, params.x_aligned);
  }

  __device__ __forceinline__ void clear() { steps::clear(chunk); }

  __device__ __forceinline__ void values(const QuantizeParams&, float (&values)[kChunkSize]) const {
    to_floats(chunk, values);
  }
};

template <Dtype kDtype>
struct GateSource {
  static constexpr int kCtasPerSm = kDtype == Dtype::kFloat32 ? 2 : 3;

  Chunk<kDtype> gate;
  Chunk<kDtype> up;

  __device__ __forceinline__ void load(const QuantizeParams& params, int64_t, int64_t row,
                                       int64_t col, int length) {
    const QuantizeProblem& p = params.problem;
    const auto* x = static_cast<const Element<kDtype>*>(p.x) + row * p.x_row_stride + col;
    load_chunk(gate, x, length, params.x_aligned);
    load_chunk(up, x + p.k, length, params.x_aligned);
  }

  __device__ __forceinline__ void clear() {
    steps::clear(gate);
    steps::clear(up);
  }

  __device__ __forceinline__ void values(const QuantizeParams& params,
                                         float (&values)[kChunkSize]) const {
    float ups[kChunkSize];
    to_floats(gate, values);
    to_floats(up, ups);
#pragma unroll
    for (int i = 0; i < kChunkSize; ++i) {
      values[i] = activate(values[i], ups[i], params.problem.gate);
    }
  }

 private:
  // Comparisons rather than min and max, which would lose a NaN.
  __device__ __forceinline__ static float activate(float gate, float up, const Gate& rule) {
    constexpr float kMinusLog2E = -0x1.715476p+0f;
    gate = gate > rule.limit ? rule.limit : gate;
    up = up > rule.limit ? rule.limit : (up < -rule.limit ? -rule.limit : up);
    up = rule.adds_one ? up + 1.0f : up;
    const float exponential = ptx::exp2_approx(rule.alpha * kMinusLog2E * gate);
    return gate * ptx::reciprocal_approx(1.0f + exponential) * up;
  }
};

}  // namespace ggfp8::steps
