// Runs single wgmma instructions on chosen operands, so that the model of the instruction in
// tests/python/support/numeric/wgmma.py can be compared with the hardware. test_wgmma_hardware.py
// loads it as a shared library.
//
// A CTA of one warpgroup multiplies a 64 x 128 by an N x 128 tile of FP8 codes with up to four
// instructions of 32 k, each but the first adding to the accumulator, as a k-block of the sm90
// kernel does. Every N that ptx/wgmma.cuh knows can be run.
#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

#include "core/dtype_pair.h"
#include "ptx/wgmma.cuh"

namespace {

using ggfp8::Dtype;

constexpr int kTileM = 64;
constexpr int kTileK = 128;
constexpr int kStepN = 8;
constexpr int kMaxN = 256;

template <int kN, Dtype kDtypeA, Dtype kDtypeB>
constexpr bool kIsKnown = requires { sizeof(ggfp8::ptx::Wgmma<kN, kDtypeA, kDtypeB>); };

// Rows of 128 bytes whose 16-byte pieces are permuted as the 128-byte swizzle wants them.
__device__ void load_tile(uint8_t* tile, const uint8_t* source, int num_rows) {
  for (int i = static_cast<int>(threadIdx.x); i < num_rows * kTileK; i += blockDim.x) {
    const int row = i / kTileK, byte = i % kTileK;
    tile[row * kTileK + ((byte / 16) ^ (row % 8)) * 16 + byte % 16] = source[i];
  }
}

// a: (problems, 64, 128), b: (problems, N, 128), out: (problems, 64, N); a CTA per problem.
template <int kN, Dtype kDtypeA, Dtype kDtypeB>
__global__ void __launch_bounds__(128)
    run_wgmma(const uint8_t* a, const uint8_t* b, float* out, int num_steps) {
  __shared__ __align__(1024) uint8_t a_tile[kTileM * kTileK];
  __shared__ __align__(1024) uint8_t b_tile[kN * kTileK];
  load_tile(a_tile, a + blockIdx.x * sizeof a_tile, kTileM);
  load_tile(b_tile, b + blockIdx.x * sizeof b_tile, kN);
  asm volatile("fence.proxy.async;" ::: "memory");
  __syncthreads();

  const uint64_t a_descriptor =
      ggfp8::ptx::wgmma_descriptor(static_cast<uint32_t>(__cvta_generic_to_shared(a_tile)));
  const uint64_t b_descriptor =
      ggfp8::ptx::wgmma_descriptor(static_cast<uint32_t>(__cvta_generic_to_shared(b_tile)));
  float sum[kN / 2] = {};
  // One instruction per batch: nothing but the accumulator connects them.
  for (int step = 0; step < num_steps; ++step) {
    ggfp8::ptx::wgmma_pin(sum);
    ggfp8::ptx::wgmma_fence();
    ggfp8::ptx::Wgmma<kN, kDtypeA, kDtypeB>::multiply(sum, a_descriptor + step * 2,
                                                      b_descriptor + step * 2, step);
    ggfp8::ptx::wgmma_commit();
    ggfp8::ptx::wgmma_wait<0>();
    ggfp8::ptx::wgmma_pin(sum);
  }

  const int thread = static_cast<int>(threadIdx.x);
  const int row = thread / 32 * 16 + thread % 32 / 4;
  float* tile = out + int64_t{blockIdx.x} * kTileM * kN;
#pragma unroll
  for (int i = 0; i < kN / 2; ++i) {
    tile[(row + i / 2 % 2 * 8) * kN + i / 4 * 8 + thread % 4 * 2 + i % 2] = sum[i];
  }
}

using Kernel = void (*)(const uint8_t*, const uint8_t*, float*, int);

template <int kPair, int kN>
constexpr Kernel kernel_of() {
  constexpr Dtype kDtypeA = ggfp8::a_dtype_of_pair(kPair), kDtypeB = ggfp8::b_dtype_of_pair(kPair);
  if constexpr (kIsKnown<kN, kDtypeA, kDtypeB>) return run_wgmma<kN, kDtypeA, kDtypeB>;
  return nullptr;
}

template <int kPair, int... kIdx>
Kernel find_kernel(int n, std::integer_sequence<int, kIdx...>) {
  Kernel kernel = nullptr;
  ((n == (kIdx + 1) * kStepN ? void(kernel = kernel_of<kPair, (kIdx + 1) * kStepN>()) : void()),
   ...);
  return kernel;
}

Kernel find_kernel(int pair, int n) {
  constexpr auto kSizes = std::make_integer_sequence<int, kMaxN / kStepN>();
  switch (pair) {
    case 0: return find_kernel<0>(n, kSizes);
    case 1: return find_kernel<1>(n, kSizes);
    case 2: return find_kernel<2>(n, kSizes);
    case 3: return find_kernel<3>(n, kSizes);
    default: return nullptr;
  }
}

// A device copy of a host array, or a place for one; null after a failure.
struct DeviceBytes {
  explicit DeviceBytes(const void* host, size_t num_bytes) {
    if (cudaMalloc(&pointer, num_bytes) != cudaSuccess) return;
    if (host != nullptr) (void)cudaMemcpy(pointer, host, num_bytes, cudaMemcpyHostToDevice);
  }
  ~DeviceBytes() { (void)cudaFree(pointer); }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;

  void* pointer = nullptr;
};

}  // namespace

// Whether run can be called for this N.
extern "C" int wgmma_probe_knows(int n) {
  return find_kernel(0, n) != nullptr;
}

// Index, as run wants it, of a pair of types that are numbered as in the public header.
extern "C" int wgmma_probe_pair(int a_dtype, int b_dtype) {
  return ggfp8::dtype_pair_idx(static_cast<Dtype>(a_dtype), static_cast<Dtype>(b_dtype));
}

// Multiplies host arrays of the shapes above with num_steps instructions each; returns the CUDA
// error's text, or null.
extern "C" const char* wgmma_probe_run(int pair, int n, int num_problems, int num_steps,
                                       const uint8_t* a, const uint8_t* b, float* out) {
  const Kernel kernel = find_kernel(pair, n);
  if (kernel == nullptr) return "ptx/wgmma.cuh does not know this N";
  const size_t count = static_cast<size_t>(num_problems);
  const size_t out_bytes = count * kTileM * n * sizeof(float);
  const DeviceBytes a_copy(a, count * kTileM * kTileK), b_copy(b, count * n * kTileK);
  const DeviceBytes out_place(nullptr, out_bytes);
  kernel<<<static_cast<unsigned>(num_problems), 128>>>(
      static_cast<const uint8_t*>(a_copy.pointer), static_cast<const uint8_t*>(b_copy.pointer),
      static_cast<float*>(out_place.pointer), num_steps);
  cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess) {
    status = cudaMemcpy(out, out_place.pointer, out_bytes, cudaMemcpyDeviceToHost);
  }
  return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}
