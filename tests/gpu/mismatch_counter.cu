// Counts, on the device, the words of an output that differ from those wanted, so that every replay
// of a graph can be checked. test_soak.py loads it as a shared library and captures it after each
// launch.
#include <cuda_runtime.h>

#include <cstdint>

namespace {

// Each word is replaced by the complement of the wanted one: what the next launch leaves unwritten
// then counts as wrong.
__global__ void count_mismatches(uint32_t* words, const uint32_t* wanted, int64_t num_words,
                                 unsigned long long* count) {
  const int64_t num_threads = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < num_words;
       i += num_threads) {
    if (words[i] != wanted[i]) atomicAdd(count, 1ull);
    words[i] = ~wanted[i];
  }
}

}  // namespace

// Enqueues the comparison of device arrays; returns the CUDA error's text, or null.
extern "C" const char* mismatch_counter_enqueue(void* words, const void* wanted, int64_t num_words,
                                                void* count, void* stream) {
  constexpr int kNumThreads = 256;
  constexpr int64_t kMaxCtas = 512;
  const int64_t num_ctas = (num_words + kNumThreads - 1) / kNumThreads;
  count_mismatches<<<static_cast<unsigned>(num_ctas < kMaxCtas ? num_ctas : kMaxCtas), kNumThreads,
                     0, static_cast<cudaStream_t>(stream)>>>(
      static_cast<uint32_t*>(words), static_cast<const uint32_t*>(wanted), num_words,
      static_cast<unsigned long long*>(count));
  const cudaError_t status = cudaGetLastError();
  return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}
