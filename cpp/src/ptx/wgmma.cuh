// wgmma: a warpgroup multiplies a 64 x 32 by a 32 x N tile of FP8 in shared memory (sm_90a).
//
// Both tiles have rows of 128 bytes of k in the 128-byte swizzle, in groups of eight rows at
// addresses that are multiples of 1024; a descriptor names the tile and the 32 k of the
// instruction. Thread t of the warpgroup holds rows 16 * (t / 32) + t % 32 / 4 and 8 further of the
// result, and of every 8 columns the pair 2 * (t % 4): accumulator[4 * j + 0..1] in the first row
// and [4 * j + 2..3] in the second.
#pragma once

#include <cstdint>

#include "core/problem.h"

namespace ggfp8::ptx {

// Descriptor of a K-major tile in the 128-byte swizzle: groups of eight rows lie kGroupBytes apart,
// 1024 where nothing lies between them. The lower word says where the tile is; addresses of shared
// memory have fewer than the 18 bits that it holds.
__device__ __forceinline__ uint32_t wgmma_descriptor_word(uint32_t smem) {
  constexpr uint32_t kUnusedStride = 1u << 16;
  return kUnusedStride | (smem >> 4);
}

template <int kGroupBytes = 1024>
__device__ __forceinline__ uint64_t wgmma_descriptor_of(uint32_t word) {
  constexpr uint64_t kSwizzle128 = uint64_t{1} << 62;
  constexpr uint64_t kGroupStride = uint64_t{kGroupBytes >> 4} << 32;
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

// The accumulator as operands: their numbers, and the constraints of as many from `i` on.
#define GGFP8_REGISTERS_8 "%0, %1, %2, %3, %4, %5, %6, %7"
#define GGFP8_REGISTERS_16 \
  GGFP8_REGISTERS_8        \
  ", %8, %9, %10, %11, %12, %13, %14, %15"
#define GGFP8_REGISTERS_32 \
  GGFP8_REGISTERS_16       \
  ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define GGFP8_REGISTERS_48 \
  GGFP8_REGISTERS_32       \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define GGFP8_REGISTERS_64 \
  GGFP8_REGISTERS_48       \
  ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define GGFP8_REGISTERS_80 \
  GGFP8_REGISTERS_64       \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define GGFP8_REGISTERS_96 \
  GGFP8_REGISTERS_80       \
  ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define GGFP8_8_OF(i)                                                                         \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define GGFP8_16_OF(i) GGFP8_8_OF(i), GGFP8_8_OF(i + 8)
#define GGFP8_32_OF(i) GGFP8_16_OF(i), GGFP8_16_OF(i + 16)

// N; the accumulator's registers; the operands after them; the accumulator's constraints.
#define GGFP8_WGMMA(N, REGISTERS, A, B, P, DTYPE_A, DTYPE_B, TYPE_A, TYPE_B, ...)              \
  template <>                                                                                  \
  struct Wgmma<N, DTYPE_A, DTYPE_B> {                                                          \
    __device__ __forceinline__ static void multiply(float (&d)[N / 2], uint64_t a, uint64_t b, \
                                                    int accumulate) {                          \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " P                                       \
                   ", 0;\n"                                                                    \
                   "wgmma.mma_async.sync.aligned.m64n" #N "k32.f32." TYPE_A "." TYPE_B         \
                   " {" REGISTERS "}, " A ", " B ", p, 1, 1;\n}"                               \
                   : __VA_ARGS__                                                               \
                   : "l"(a), "l"(b), "r"(accumulate));                                         \
    }                                                                                          \
  };

#define GGFP8_WGMMA_PAIRS(N, REGISTERS, A, B, P, ...)                                        \
  GGFP8_WGMMA(N, REGISTERS, A, B, P, Dtype::kFloat8E4M3, Dtype::kFloat8E4M3, "e4m3", "e4m3", \
              __VA_ARGS__)                                                                   \
  GGFP8_WGMMA(N, REGISTERS, A, B, P, Dtype::kFloat8E4M3, Dtype::kFloat8E5M2, "e4m3", "e5m2", \
              __VA_ARGS__)                                                                   \
  GGFP8_WGMMA(N, REGISTERS, A, B, P, Dtype::kFloat8E5M2, Dtype::kFloat8E4M3, "e5m2", "e4m3", \
              __VA_ARGS__)                                                                   \
  GGFP8_WGMMA(N, REGISTERS, A, B, P, Dtype::kFloat8E5M2, Dtype::kFloat8E5M2, "e5m2", "e5m2", \
              __VA_ARGS__)

GGFP8_WGMMA_PAIRS(16, GGFP8_REGISTERS_8, "%8", "%9", "%10", GGFP8_8_OF(0))
GGFP8_WGMMA_PAIRS(32, GGFP8_REGISTERS_16, "%16", "%17", "%18", GGFP8_16_OF(0))
GGFP8_WGMMA_PAIRS(64, GGFP8_REGISTERS_32, "%32", "%33", "%34", GGFP8_32_OF(0))
GGFP8_WGMMA_PAIRS(96, GGFP8_REGISTERS_48, "%48", "%49", "%50", GGFP8_32_OF(0), GGFP8_16_OF(32))
GGFP8_WGMMA_PAIRS(128, GGFP8_REGISTERS_64, "%64", "%65", "%66", GGFP8_32_OF(0), GGFP8_32_OF(32))
GGFP8_WGMMA_PAIRS(160, GGFP8_REGISTERS_80, "%80", "%81", "%82", GGFP8_32_OF(0), GGFP8_32_OF(32),
                  GGFP8_16_OF(64))
GGFP8_WGMMA_PAIRS(192, GGFP8_REGISTERS_96, "%96", "%97", "%98", GGFP8_32_OF(0), GGFP8_32_OF(32),
                  GGFP8_32_OF(64))

#undef GGFP8_REGISTERS_8
#undef GGFP8_REGISTERS_16
#undef GGFP8_REGISTERS_32
#undef GGFP8_REGISTERS_48
#undef GGFP8_REGISTERS_64
#undef GGFP8_REGISTERS_80
#undef GGFP8_REGISTERS_96
#undef GGFP8_8_OF
#undef GGFP8_16_OF
#undef GGFP8_32_OF
#undef GGFP8_WGMMA
#undef GGFP8_WGMMA_PAIRS

}  // namespace ggfp8::ptx
