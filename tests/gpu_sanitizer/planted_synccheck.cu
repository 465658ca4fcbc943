// Planted bug: only part of a warp reaches a CTA barrier. synccheck must report it. The others have
// left the kernel, so that it ends without the tool too.
#include <cuda_runtime_api.h>

__global__ void planted_synccheck(int* values, int num_values) {
  __shared__ int shared[64];
  const int idx = static_cast<int>(threadIdx.x);
  if (idx < num_values) {
    shared[idx] = idx;
    __syncthreads();
    values[idx] = shared[num_values - 1 - idx];
  }
}

int main() {
  int* values = nullptr;
  if (cudaMalloc(&values, 64 * sizeof(int)) != cudaSuccess) return 2;
  planted_synccheck<<<1, 64>>>(values, 40);
  (void)cudaDeviceSynchronize();
  (void)cudaFree(values);
  return 0;
}
