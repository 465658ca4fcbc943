// Planted bug: a barrier is missing between a write to shared memory and the read of it by a thread
// of another warp. racecheck must report it.
#include <cuda_runtime_api.h>

__global__ void planted_racecheck(int* reversed) {
  __shared__ int values[128];
  const int idx = static_cast<int>(threadIdx.x);
  values[idx] = idx;
  reversed[idx] = values[127 - idx];
}

int main() {
  int* reversed = nullptr;
  if (cudaMalloc(&reversed, 128 * sizeof(int)) != cudaSuccess) return 2;
  planted_racecheck<<<1, 128>>>(reversed);
  (void)cudaDeviceSynchronize();
  (void)cudaFree(reversed);
  return 0;
}
