// mbarrier: a phase counter in shared memory that threads and asynchronous copies arrive at
// (sm_80 and later).
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

// Initialises a barrier. One thread calls it, before a barrier of the CTA.
__device__ __forceinline__ void mbarrier_init(uint32_t barrier, uint32_t num_arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(num_arrivals) : "memory");
}

// Arrives with release semantics: what this thread wrote before is visible to a thread that
// waits.
__device__ __forceinline__ void mbarrier_arrive(uint32_t barrier) {
  asm volatile(
      "{\n"
      ".reg .b64 state;\n"
      "mbarrier.arrive.shared.b64 state, [%0];\n"
      "}" ::"r"(barrier)
      : "memory");
}

// Keeps the phase open until all cp.async that this thread has issued are complete; the thread
// still has to arrive itself.
__device__ __forceinline__ void mbarrier_await_copies(uint32_t barrier) {
  asm volatile("cp.async.mbarrier.arrive.shared.b64 [%0];" ::"r"(barrier) : "memory");
}

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900

// Arrives, and adds to the phase the bytes that bulk copies will report.
__device__ __forceinline__ void mbarrier_arrive_expect_bytes(uint32_t barrier, uint32_t num_bytes) {
  asm volatile(
      "{\n"
      ".reg .b64 state;\n"
      "mbarrier.arrive.expect_tx.shared.b64 state, [%0], %1;\n"
      "}" ::"r"(barrier),
      "r"(num_bytes)
      : "memory");
}

// Makes barriers that this thread has initialised visible to bulk copies.
__device__ __forceinline__ void mbarrier_init_fence() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

// The number of lanes that arrive for a warp. racecheck does not see that one lane arrives for the
// whole warp: it judges kernels compiled with GGFP8_ALL_LANES_ARRIVE (tests/gpu_sanitizer/run.sh).
#ifdef GGFP8_ALL_LANES_ARRIVE
constexpr int kArrivalsPerWarp = 32;
#else
constexpr int kArrivalsPerWarp = 1;
#endif

// Lets the first lanes arrive. Warp-collective. There is no branch, after which the compiler would
// no longer see that the warp stays together.
template <int kNumLanes = kArrivalsPerWarp>
__device__ __forceinline__ void mbarrier_arrive_warp(uint32_t barrier) {
  asm volatile(
      "{\n"
      ".reg .pred arrives;\n"
      "setp.lt.u32 arrives, %1, %2;\n"
      "@arrives mbarrier.arrive.shared::cta.b64 _, [%0];\n"
      "}" ::"r"(barrier),
      "r"(threadIdx.x % 32), "n"(kNumLanes)
      : "memory");
}

#endif

// Returns whether the phase of this parity is complete, with acquire semantics if it is.
__device__ __forceinline__ bool mbarrier_test(uint32_t barrier, uint32_t parity) {
  uint32_t complete;
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "mbarrier.test_wait.parity.shared.b64 done, [%1], %2;\n"
      "selp.u32 %0, 1, 0, done;\n"
      "}"
      : "=r"(complete)
      : "r"(barrier), "r"(parity)
      : "memory");
  return complete != 0;
}

// Lets the hardware suspend a waiting thread, which would otherwise test again and again.
constexpr uint32_t kHintNanoseconds = 10'000'000;

// Waits, with acquire semantics, until the phase of this parity is complete. A barrier that was
// just initialised counts as having completed the phase of parity 1.
__device__ __forceinline__ void mbarrier_wait(uint32_t barrier, uint32_t parity) {
#if __CUDA_ARCH__ >= 900
  uint32_t complete = 0;
  while (complete == 0) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "mbarrier.try_wait.parity.shared.b64 done, [%1], %2, %3;\n"
        "selp.u32 %0, 1, 0, done;\n"
        "}"
        : "=r"(complete)
        : "r"(barrier), "r"(parity), "r"(kHintNanoseconds)
        : "memory");
  }
#else
  while (!mbarrier_test(barrier, parity)) {
  }
#endif
}

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900

// Waits like mbarrier_wait(). Warp-collective: the warp stays together.
__device__ __forceinline__ void mbarrier_wait_warp(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared.b64 done, [%0], %1, %2;\n"
      "vote.sync.all.pred done, done, 0xFFFFFFFF;\n"
      "@!done bra.uni again;\n"
      "}" ::"r"(barrier),
      "r"(parity), "r"(kHintNanoseconds)
      : "memory");
}

#endif

}  // namespace ggfp8::ptx
