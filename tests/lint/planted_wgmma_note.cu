// Planted flaw: a call of a function between two wgmma of a batch, for which ptxas injects a
// synchronisation. A GPU backend's build must refuse it.
#include "ptx/wgmma.cuh"

using ggfp8::Dtype;
using Wgmma = ggfp8::ptx::Wgmma<16, Dtype::kFloat8E4M3, Dtype::kFloat8E4M3>;

__device__ __noinline__ uint64_t next_tile(uint64_t descriptor) {
  return descriptor + clock() % 2;
}

__global__ void planted_wgmma_note(float* out, uint64_t a, uint64_t b) {
  float sum[8] = {};
  ggfp8::ptx::wgmma_fence();
  Wgmma::multiply(sum, a, b, 0);
  Wgmma::multiply(sum, next_tile(a), b, 1);
  ggfp8::ptx::wgmma_commit();
  ggfp8::ptx::wgmma_wait<0>();
  for (int i = 0; i < 8; ++i) out[threadIdx.x * 8 + i] = sum[i];
}
