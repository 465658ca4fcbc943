// wgmma: a warpgroup multiplies a 64 x 32 by a 32 x N tile of FP8 in shared memory (sm_90a).
//
// Both tiles have rows of 128 bytes of k in the 128-byte swizzle, at addresses that are
// multiples of 1024; a descriptor names the tile and the 32 k of the instruction. Thread t of the
// warpgroup holds rows 16 * (t / 32) + t % 32 / 4 and 8 further of the result, and of every 8
// columns the pair 2 * (t % 4): accumulator[4 * j + 0..1] in the first row and [4 * j + 2..3] in
// the second.
#pragma once

#include <cstdint>

#include "core/problem.h"

namespace ggfp8::ptx {

// Descriptor of a K-major tile in the 128-byte swizzle: groups of eight rows lie 1024 bytes apart.
// The lower word says where the tile is; addresses of shared memory have fewer than the 18 bits
// that it holds.
__device__ __forceinline__ uint32_t wgmma_descriptor_word(uint32_t smem) {
  constexpr uint32_t kUnusedStride = 1u << 16;
  return kUnusedStride | (smem >> 4);
}

__device__ __forceinline__ uint64_t wgmma_descriptor_of(uint32_t word) {
  constexpr uint64_t kSwizzle128 = uint64_t{1} << 62;
  constexpr uint64_t kGroupStride = uint64_t{1024 >> 4} << 32;
  return kSwizzle128 | kGroupStride | word;
}

__device__ __forceinline__ uint64_t wgmma_descriptor(uint32_t smem) {
  return wgmma_descriptor_of(wgmma_descriptor_word(smem));
}

// Orders register and shared-memory accesses before the first wgmma of a batch.
__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Waits until at most kPending of the latest batches are under way.
template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// Keeps the compiler from moving uses of an accumulator across the asynchronous instructions.
template <int kSize>
__device__ __forceinline__ void wgmma_pin(float (&accumulator)[kSize]) {
#pragma unroll
  for (int i = 0; i < kSize; ++i) asm volatile("" : "+f"(accumulator[i])::"memory");
}

// accumulator = a * b, or accumulator + a * b where `accumulate` is not 0.
template <int kN, Dtype kDtypeA, Dtype kDtypeB>
struct Wgmma;

#define GGFP8_WGMMA_16(DTYPE_A, DTYPE_B, TYPE_A, TYPE_B)                                        \
  template <>                                                                                   \
  struct Wgmma<16, DTYPE_A, DTYPE_B> {                                                          \
    __device__ __forceinline__ static void multiply(float (&d)[8], uint64_t a, uint64_t b,      \
                                                    int accumulate) {                           \
      asm volatile(                                                                             \
          "{\n.reg .pred p;\nsetp.ne.b32 p, %10, 0;\n"                                          \
          "wgmma.mma_async.sync.aligned.m64n16k32.f32." TYPE_A "." TYPE_B                       \
          " {"                                                                                  \
          "%0, %1, %2, %3, %4, %5, %6, %7"                                                      \
          "}, %8, %9, p, 1, 1;\n}"                                                              \
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), \
            "+f"(d[7])                                                                          \
          : "l"(a), "l"(b), "r"(accumulate));                                                   \
    }                                                                                           \
  };

#define GGFP8_WGMMA_32(DTYPE_A, DTYPE_B, TYPE_A, TYPE_B)                                        \
  template <>                                                                                   \
  struct Wgmma<32, DTYPE_A, DTYPE_B> {                                                          \
    __device__ __forceinline__ static void multiply(float (&d)[16], uint64_t a, uint64_t b,     \
                                                    int accumulate) {                           \
      asm volatile(                                                                             \
          "{\n.reg .pred p;\nsetp.ne.b32 p, %18, 0;\n"                                          \
          "wgmma.mma_async.sync.aligned.m64n32k32.f32." TYPE_A "." TYPE_B                       \
          " {"                                                                                  \
          "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"                \
          "}, %16, %17, p, 1, 1;\n}"                                                            \
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), \
            "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]),          \
            "+f"(d[13]), "+f"(d[14]), "+f"(d[15])                                               \
          : "l"(a), "l"(b), "r"(accumulate));                                                   \
    }                                                                                           \
  };

#define GGFP8_WGMMA_64(DTYPE_A, DTYPE_B, TYPE_A, TYPE_B)                                        \
  template <>                                                                                   \
  struct Wgmma<64, DTYPE_A, DTYPE_B> {                                                          \
    __device__ __forceinline__ static void multiply(float (&d)[32], uint64_t a, uint64_t b,     \
                                                    int accumulate) {                           \
      asm volatile(                                                                             \
          "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"                                          \
          "wgmma.mma_async.sync.aligned.m64n64k32.f32." TYPE_A "." TYPE_B                       \
          " {"                                                                                  \
          "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, "         \
          "%17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"           \
          "}, %32, %33, p, 1, 1;\n}"                                                            \
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), \
            "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]),          \
            "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]),       \
            "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]),       \
            "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]),       \
            "+f"(d[31])                                                                         \
          : "l"(a), "l"(b), "r"(accumulate));                                                   \
    }                                                                                           \
  };

#define GGFP8_WGMMA_96(DTYPE_A, DTYPE_B, TYPE_A, TYPE_B)                                          \
  template <>                                                                                     \
  struct Wgmma<96, DTYPE_A, DTYPE_B> {                                                            \
    __device__ __forceinline__ static void multiply(float (&d)[48], uint64_t a, uint64_t b,       \
                                                    int accumulate) {                             \
      asm volatile(                                                                               \
          "{\n.reg .pred p;\nsetp.ne.b32 p, %50, 0;\n"                                            \
          "wgmma.mma_async.sync.aligned.m64n96k32.f32." TYPE_A "." TYPE_B                         \
          " {"                                                                                    \
          "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, "           \
          "%17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, " \
          "%34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"                  \
          "}, %48, %49, p, 1, 1;\n}"                                                              \
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]),   \
            "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]),            \
            "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]),         \
            "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]),         \
            "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]),         \
            "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]),         \
            "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), "+f"(d[41]), "+f"(d[42]),         \
            "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47])                       \
          : "l"(a), "l"(b), "r"(accumulate));                                                     \
    }                                                                                             \
  };

#define GGFP8_WGMMA_128(DTYPE_A, DTYPE_B, TYPE_A, TYPE_B)                                       \
  template <>                                                                                   \
  struct Wgmma<128, DTYPE_A, DTYPE_B> {                                                         \
    __device__ __forceinline__ static void multiply(float (&d)[64], uint64_t a, uint64_t b,     \
                                                    int accumulate) {                           \
      asm volatile(                                                                             \
          "{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"                                          \
          "wgmma.mma_async.sync.aligned.m64n128k32.f32." TYPE_A "." TYPE_B                      \
          " {"                                                                                  \
          "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, "         \
          "%17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "         \
          "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, "         \
          "%47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, "         \
          "%62, %63"                                                                            \
          "}, %64, %65, p, 1, 1;\n}"                                                            \
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), \
            "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]),          \
            "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]),       \
            "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]),       \
            "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]),       \
            "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]),       \
            "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), "+f"(d[41]), "+f"(d[42]),       \
            "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]),       \
            "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]),       \
            "+f"(d[55]), "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]),       \
            "+f"(d[61]), "+f"(d[62]), "+f"(d[63])                                               \
          : "l"(a), "l"(b), "r"(accumulate));                                                   \
    }                                                                                           \
  };

#define GGFP8_WGMMA_192(DTYPE_A, DTYPE_B, TYPE_A, TYPE_B)                                         \
  template <>                                                                                     \
  struct Wgmma<192, DTYPE_A, DTYPE_B> {                                                           \
    __device__ __forceinline__ static void multiply(float (&d)[96], uint64_t a, uint64_t b,       \
                                                    int accumulate) {                             \
      asm volatile(                                                                               \
          "{\n.reg .pred p;\nsetp.ne.b32 p, %98, 0;\n"                                            \
          "wgmma.mma_async.sync.aligned.m64n192k32.f32." TYPE_A "." TYPE_B                        \
          " {"                                                                                    \
          "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, "           \
          "%17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, " \
          "%34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, " \
          "%51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, " \
          "%68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, " \
          "%85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"                                 \
          "}, %96, %97, p, 1, 1;\n}"                                                              \
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]),   \
            "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]),            \
            "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]),         \
            "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]),         \
            "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]),         \
            "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]),         \
            "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), "+f"(d[41]), "+f"(d[42]),         \
            "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]),         \
            "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]),         \
            "+f"(d[55]), "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]),         \
            "+f"(d[61]), "+f"(d[62]), "+f"(d[63]), "+f"(d[64]), "+f"(d[65]), "+f"(d[66]),         \
            "+f"(d[67]), "+f"(d[68]), "+f"(d[69]), "+f"(d[70]), "+f"(d[71]), "+f"(d[72]),         \
            "+f"(d[73]), "+f"(d[74]), "+f"(d[75]), "+f"(d[76]), "+f"(d[77]), "+f"(d[78]),         \
            "+f"(d[79]), "+f"(d[80]), "+f"(d[81]), "+f"(d[82]), "+f"(d[83]), "+f"(d[84]),         \
            "+f"(d[85]), "+f"(d[86]), "+f"(d[87]), "+f"(d[88]), "+f"(d[89]), "+f"(d[90]),         \
            "+f"(d[91]), "+f"(d[92]), "+f"(d[93]), "+f"(d[94]), "+f"(d[95])                       \
          : "l"(a), "l"(b), "r"(accumulate));                                                     \
    }                                                                                             \
  };

#define GGFP8_WGMMA_PAIRS(WGMMA)                                \
  WGMMA(Dtype::kFloat8E4M3, Dtype::kFloat8E4M3, "e4m3", "e4m3") \
  WGMMA(Dtype::kFloat8E4M3, Dtype::kFloat8E5M2, "e4m3", "e5m2") \
  WGMMA(Dtype::kFloat8E5M2, Dtype::kFloat8E4M3, "e5m2", "e4m3") \
  WGMMA(Dtype::kFloat8E5M2, Dtype::kFloat8E5M2, "e5m2", "e5m2")

GGFP8_WGMMA_PAIRS(GGFP8_WGMMA_16)
GGFP8_WGMMA_PAIRS(GGFP8_WGMMA_32)
GGFP8_WGMMA_PAIRS(GGFP8_WGMMA_64)
GGFP8_WGMMA_PAIRS(GGFP8_WGMMA_96)
GGFP8_WGMMA_PAIRS(GGFP8_WGMMA_128)
GGFP8_WGMMA_PAIRS(GGFP8_WGMMA_192)

#undef GGFP8_WGMMA_16
#undef GGFP8_WGMMA_32
#undef GGFP8_WGMMA_64
#undef GGFP8_WGMMA_96
#undef GGFP8_WGMMA_128
#undef GGFP8_WGMMA_192
#undef GGFP8_WGMMA_PAIRS

}  // namespace ggfp8::ptx
