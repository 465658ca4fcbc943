// Chunk: some neighbouring elements of a row in registers, the part that one thread works on.
//
// Full chunks at aligned addresses are read and written in pieces of 16 bytes, those of 8 bytes in
// one piece, others element by element. Elements past the end of the row are never read and count
// as zeros.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

#include "core/problem.h"
#include "ptx/out_convert.cuh"

namespace ggfp8::steps {

template <Dtype kDtype>
using Element = typename ptx::OutTraits<kDtype>::Element;

// kSize is a multiple of 4.
template <Dtype kDtype, int kSize>
union Chunk {
  static constexpr int kNumBytes = kSize * static_cast<int>(sizeof(Element<kDtype>));
  using Vector = std::conditional_t<kNumBytes % 16 == 0, uint4, uint2>;
  static constexpr int kNumVectors = kNumBytes / static_cast<int>(sizeof(Vector));
  static constexpr int kNumWords = kNumBytes / 4;

  Vector vectors[kNumVectors];
  uint32_t words[kNumWords];
  typename ptx::OutTraits<kDtype>::Pair pairs[kSize / 2];
  Element<kDtype> elements[kSize];

  __device__ __forceinline__ Chunk() {}
};

// Elements of a chunk of `size` at column `col` that lie before column `end`.
__device__ __forceinline__ int chunk_length(int32_t col, int32_t end, int size) {
  return clamp_to(end - col, 0, size);
}

template <Dtype kDtype, int kSize>
__device__ __forceinline__ void clear(Chunk<kDtype, kSize>& chunk) {
#pragma unroll
  for (int i = 0; i < Chunk<kDtype, kSize>::kNumWords; ++i) chunk.words[i] = 0;
}

// Reads a full chunk from a multiple of the size of its pieces.
template <Dtype kDtype, int kSize>
__device__ __forceinline__ void load_full(Chunk<kDtype, kSize>& chunk,
                                          const Element<kDtype>* source) {
#pragma unroll
  for (int i = 0; i < Chunk<kDtype, kSize>::kNumVectors; ++i) {
    using Vector = typename Chunk<kDtype, kSize>::Vector;
    chunk.vectors[i] = __ldg(reinterpret_cast<const Vector*>(source) + i);
  }
}

// Reads `length` elements from any address.
template <Dtype kDtype, int kSize>
__device__ __forceinline__ void load_part(Chunk<kDtype, kSize>& chunk,
                                          const Element<kDtype>* source, int length) {
  clear(chunk);
  if (length == 0) return;
#pragma unroll
  for (int i = 0; i < kSize; ++i) {
    if (i < length) chunk.elements[i] = source[i];
  }
}

template <Dtype kDtype, int kSize>
__device__ __forceinline__ void store_chunk(const Chunk<kDtype, kSize>& chunk,
                                            Element<kDtype>* target, int length, bool aligned) {
  if (aligned && length == kSize) {
#pragma unroll
    for (int i = 0; i < Chunk<kDtype, kSize>::kNumVectors; ++i) {
      using Vector = typename Chunk<kDtype, kSize>::Vector;
      reinterpret_cast<Vector*>(target)[i] = chunk.vectors[i];
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kSize; ++i) {
    if (i < length) target[i] = chunk.elements[i];
  }
}

template <Dtype kDtype, int kSize>
__device__ __forceinline__ void to_floats(const Chunk<kDtype, kSize>& chunk,
                                          float (&values)[kSize]) {
#pragma unroll
  for (int i = 0; i < kSize / 2; ++i) {
    float2 pair;
    if constexpr (kDtype == Dtype::kBFloat16) {
      pair = {__uint_as_float(chunk.words[i] << 16), __uint_as_float(chunk.words[i] & 0xFFFF0000u)};
    } else if constexpr (kDtype == Dtype::kFloat16) {
      pair = __half22float2(chunk.pairs[i]);
    } else {
      pair = chunk.pairs[i];
    }
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

// Rounds to nearest even; NaN has one pattern.
template <Dtype kDtype, int kSize>
__device__ __forceinline__ void from_floats(Chunk<kDtype, kSize>& chunk,
                                            const float (&values)[kSize]) {
#pragma unroll
  for (int i = 0; i < kSize / 2; ++i) {
    chunk.pairs[i] = ptx::OutTraits<kDtype>::pair(values[2 * i], values[2 * i + 1]);
  }
}

}  // namespace ggfp8::steps
