// Planted bug: a kernel reads global memory that nothing has written. initcheck must report it.
#include <cuda_runtime_api.h>

__global__ void planted_initcheck(const int* source, int* target) {
  target[threadIdx.x] = source[threadIdx.x] + 1;
}

int main() {
  int* values = nullptr;
  if (cudaMalloc(&values, 2 * 32 * sizeof(int)) != cudaSuccess) return 2;
  planted_initcheck<<<1, 32>>>(values, values + 32);
  (void)cudaDeviceSynchronize();
  (void)cudaFree(values);
  return 0;
}
