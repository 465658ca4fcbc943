// mma.sync: one warp multiplies a 16 x K by a K x 8 fragment into f32 accumulators.
//
// Lane l holds rows l / 4 and l / 4 + 8 of the accumulator, columns 2 * (l % 4) and the next:
// accumulator[0..1] in the first row, [2..3] in the second.
#pragma once

#include <cstdint>

#include "core/problem.h"

namespace ggfp8::ptx {

// K = 16, f16 operands: a = {row 0 k 0..1, row 8 k 0..1, row 0 k 8..9, row 8 k 8..9} of the lane.
__device__ __forceinline__ void mma_f16(float (&accumulator)[4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(accumulator[0]), "+f"(accumulator[1]), "+f"(accumulator[2]), "+f"(accumulator[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890

// K = 32, FP8 operands of either type: a = {row 0 k 0..3, row 8 k 0..3, row 0 k 16..19, row 8
// k 16..19} of the lane.
template <Dtype kDtypeA, Dtype kDtypeB>
__device__ __forceinline__ void mma_fp8(float (&accumulator)[4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[2]) {
#define GGFP8_MMA_FP8(TYPE_A, TYPE_B)                                                          \
  asm("mma.sync.aligned.m16n8k32.row.col.f32." TYPE_A "." TYPE_B                               \
      ".f32 "                                                                                  \
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                        \
      : "+f"(accumulator[0]), "+f"(accumulator[1]), "+f"(accumulator[2]), "+f"(accumulator[3]) \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
  constexpr bool kE4M3A = kDtypeA == Dtype::kFloat8E4M3;
  constexpr bool kE4M3B = kDtypeB == Dtype::kFloat8E4M3;
  if constexpr (kE4M3A && kE4M3B) {
    GGFP8_MMA_FP8("e4m3", "e4m3");
  } else if constexpr (kE4M3A) {
    GGFP8_MMA_FP8("e4m3", "e5m2");
  } else if constexpr (kE4M3B) {
    GGFP8_MMA_FP8("e5m2", "e4m3");
  } else {
    GGFP8_MMA_FP8("e5m2", "e5m2");
  }
#undef GGFP8_MMA_FP8
}

#endif

}  // namespace ggfp8::ptx
