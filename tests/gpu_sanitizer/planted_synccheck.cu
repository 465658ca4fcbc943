// Planted bugs: a thread arrives at an mbarrier that nobody initialised, and a thread calls
// __syncwarp with a mask that lacks it. synccheck must report one of them: which kinds it sees
// differs between its releases.
#include <cuda_runtime_api.h>

#include "ptx/mbarrier.cuh"
#include "ptx/smem_address.cuh"

__global__ void planted_synccheck_mbarrier() {
  __shared__ uint64_t barrier;
  if (threadIdx.x == 0) ggfp8::ptx::mbarrier_arrive(ggfp8::ptx::smem_address(&barrier));
}

__global__ void planted_synccheck_mask(int* values, unsigned first_half) {
  const int idx = static_cast<int>(threadIdx.x);
  if (idx > 16) return;
  __syncwarp(first_half);
  values[idx] = idx;
}

int main() {
  int* values = nullptr;
  if (cudaMalloc(&values, 32 * sizeof(int)) != cudaSuccess) return 2;
  planted_synccheck_mbarrier<<<1, 32>>>();
  (void)cudaDeviceSynchronize();
  planted_synccheck_mask<<<1, 32>>>(values, 0xFFFFu);
  (void)cudaDeviceSynchronize();
  (void)cudaFree(values);
  return 0;
}
