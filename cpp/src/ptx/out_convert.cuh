// cvt: converts two float32 accumulators to a pair of output elements, rounded to nearest even.
// Overflow goes to infinity, subnormals are kept, NaN has one pattern.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "core/problem.h"

namespace ggfp8::ptx {

template <Dtype kDtype>
struct OutTraits;

template <>
struct OutTraits<Dtype::kBFloat16> {
  using Element = __nv_bfloat16;
  using Pair = __nv_bfloat162;
  __device__ static Pair pair(float x, float y) { return __floats2bfloat162_rn(x, y); }
};

template <>
struct OutTraits<Dtype::kFloat16> {
  using Element = __half;
  using Pair = __half2;
  __device__ static Pair pair(float x, float y) { return __floats2half2_rn(x, y); }
};

template <>
struct OutTraits<Dtype::kFloat32> {
  using Element = float;
  using Pair = float2;
  __device__ static Pair pair(float x, float y) { return make_float2(x, y); }
};

}  // namespace ggfp8::ptx
