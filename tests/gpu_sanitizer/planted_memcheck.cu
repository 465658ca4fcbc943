// Planted bug: one thread writes past the end of a global array. memcheck must report it.
// Returns 0 whatever the kernel does, so that the tool's report is the only evidence.
#include <cuda_runtime_api.h>

__global__ void planted_memcheck(int* values, int num_values) {
  const int idx = static_cast<int>(threadIdx.x);
  if (idx <= num_values) values[idx] = idx;
}

int main() {
  constexpr int kNumValues = 100;
  int* values = nullptr;
  if (cudaMalloc(&values, kNumValues * sizeof(int)) != cudaSuccess) return 2;
  planted_memcheck<<<1, 128>>>(values, kNumValues);
  (void)cudaDeviceSynchronize();
  (void)cudaFree(values);
  return 0;
}
