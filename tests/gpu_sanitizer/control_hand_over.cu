// A correct hand-over of stages between a producer warp and four consumer warps, made like that of
// the kernels: cp.async to the consumers through an mbarrier, stages back through a second one. A
// tool that reports a hazard here cannot judge a kernel that hands over in the same way.
//
//   control_hand_over every|one   every consumer thread arrives, as in mma, or one per warp after
//                                 __syncwarp with consumers that also meet at a named barrier, as
//                                 in sm90
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>

#include "ptx/cp_async.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/smem_address.cuh"

namespace {

constexpr int kNumStages = 3;
constexpr int kNumRounds = 20;
constexpr int kNumConsumers = 128;

struct Shared {
  float values[kNumStages][32];
  uint64_t full[kNumStages];
  uint64_t empty[kNumStages];
};

__device__ void produce(Shared& shared, const float* source) {
  using namespace ggfp8::ptx;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int round = 0; round < kNumRounds; ++round) {
    const int stage = round % kNumStages;
    mbarrier_wait(smem_address(&shared.empty[stage]), round / kNumStages % 2 ^ 1);
    cp_async_4_or_zero(smem_address(&shared.values[stage][lane]), source + round * 32 + lane, true);
    mbarrier_await_copies(smem_address(&shared.full[stage]));
    mbarrier_arrive(smem_address(&shared.full[stage]));
  }
}

template <bool kEvery>
__device__ void consume(Shared& shared, float* sums) {
  using namespace ggfp8::ptx;
  float sum = 0.0f;
  for (int round = 0; round < kNumRounds; ++round) {
    const int stage = round % kNumStages;
    mbarrier_wait(smem_address(&shared.full[stage]), round / kNumStages % 2);
    sum += shared.values[stage][threadIdx.x * 5 % 32];
    if (!kEvery) __syncwarp();
    if (kEvery || threadIdx.x % 32 == 0) mbarrier_arrive(smem_address(&shared.empty[stage]));
  }
  if (!kEvery) asm volatile("bar.sync 1, %0;" ::"n"(kNumConsumers) : "memory");
  sums[threadIdx.x] = sum;
}

template <bool kEvery>
__global__ void control_hand_over(const float* source, float* sums) {
  __shared__ Shared shared;
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < kNumStages; ++stage) {
      ggfp8::ptx::mbarrier_init(ggfp8::ptx::smem_address(&shared.full[stage]), 32);
      ggfp8::ptx::mbarrier_init(ggfp8::ptx::smem_address(&shared.empty[stage]),
                                kEvery ? kNumConsumers : kNumConsumers / 32);
    }
  }
  __syncthreads();
  if (threadIdx.x >= kNumConsumers) {
    produce(shared, source);
  } else {
    consume<kEvery>(shared, sums);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  static float source[kNumRounds * 32], sums[kNumConsumers];
  for (int i = 0; i < kNumRounds * 32; ++i) source[i] = static_cast<float>(i % 7);
  float* device = nullptr;
  if (cudaMalloc(&device, sizeof source + sizeof sums) != cudaSuccess) return 2;
  float* device_sums = device + kNumRounds * 32;
  (void)cudaMemcpy(device, source, sizeof source, cudaMemcpyHostToDevice);
  if (std::strcmp(argv[1], "every") == 0) {
    control_hand_over<true><<<1, kNumConsumers + 32>>>(device, device_sums);
  } else {
    control_hand_over<false><<<1, kNumConsumers + 32>>>(device, device_sums);
  }
  (void)cudaMemcpy(sums, device_sums, sizeof sums, cudaMemcpyDeviceToHost);
  (void)cudaFree(device);
  for (int i = 0; i < kNumConsumers; ++i) {
    float wanted = 0.0f;
    for (int round = 0; round < kNumRounds; ++round) wanted += source[round * 32 + i * 5 % 32];
    if (sums[i] != wanted) return 1;
  }
  std::puts("control_hand_over: passed");
  return 0;
}
