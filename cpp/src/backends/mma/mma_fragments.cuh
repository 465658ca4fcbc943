// Register fragments of one warp for a 32-byte step of k, and their product.
//
// Two forms with the same interface: devices with FP8 tensor cores (sm_89, sm_120 and later
// consumer parts) keep the bytes; the others (sm_80, and sm_90, where FP8 mma.sync is emulated)
// convert each fragment to f16 once when it is loaded and use it for every product of the step.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "ptx/fp8_convert.cuh"
#include "ptx/ldmatrix.cuh"
#include "ptx/mma_sync.cuh"

namespace ggfp8::mma {

#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ == 890 || __CUDA_ARCH__ >= 1200)
#define GGFP8_NATIVE_FP8_MMA 1
#else
#define GGFP8_NATIVE_FP8_MMA 0
#endif

// 16 rows x 32 k of a; loaded order: rows 0-7 and 8-15 of k 0-15, then of k 16-31.
template <Dtype kDtype>
struct FragmentA {
#if GGFP8_NATIVE_FP8_MMA
  uint32_t bytes[4];
#else
  uint32_t halves[2][4];  // per 16 of k
#endif

  __device__ __forceinline__ void set(const uint32_t (&loaded)[4]) {
#if GGFP8_NATIVE_FP8_MMA
#pragma unroll
    for (int i = 0; i < 4; ++i) bytes[i] = loaded[i];
#else
#pragma unroll
    for (int step = 0; step < 2; ++step) {
#pragma unroll
      for (int row = 0; row < 2; ++row) {
        const ptx::HalfPairs pairs = ptx::fp8x4_to_half<kDtype>(loaded[2 * step + row]);
        halves[step][row] = pairs.low;
        halves[step][row + 2] = pairs.high;
      }
    }
#endif
  }
};

// 8 columns x 32 k of b: k 0-15, then k 16-31.
template <Dtype kDtype>
struct FragmentB {
#if GGFP8_NATIVE_FP8_MMA
  uint32_t bytes[2];
#else
  uint32_t halves[2][2];  // per 16 of k
#endif

  __device__ __forceinline__ void set(uint32_t first, uint32_t second) {
#if GGFP8_NATIVE_FP8_MMA
    bytes[0] = first;
    bytes[1] = second;
#else
    const ptx::HalfPairs first_pairs = ptx::fp8x4_to_half<kDtype>(first);
    const ptx::HalfPairs second_pairs = ptx::fp8x4_to_half<kDtype>(second);
    halves[0][0] = first_pairs.low;
    halves[0][1] = first_pairs.high;
    halves[1][0] = second_pairs.low;
    halves[1][1] = second_pairs.high;
#endif
  }
};

// accumulator += a * b over the 32 k of the fragments. A lane's four consecutive bytes stand for
// k positions 2t, 2t+1, 2t+8, 2t+9 of the f16 instruction; both operands agree on that, so each
// instruction sums 16 consecutive k.
template <Dtype kDtypeA, Dtype kDtypeB>
__device__ __forceinline__ void multiply(float (&accumulator)[4], const FragmentA<kDtypeA>& a,
                                         const FragmentB<kDtypeB>& b) {
#if GGFP8_NATIVE_FP8_MMA
  ptx::mma_fp8<kDtypeA, kDtypeB>(accumulator, a.bytes, b.bytes);
#else
  ptx::mma_f16(accumulator, a.halves[0], b.halves[0]);
  ptx::mma_f16(accumulator, a.halves[1], b.halves[1]);
#endif
}

}  // namespace ggfp8::mma
