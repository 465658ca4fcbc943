// Integer and address helpers for host and device code. Arguments are non-negative.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define GGFP8_HOST_DEVICE __host__ __device__
#else
#define GGFP8_HOST_DEVICE
#endif
// For loops that mostly run once per thread, and for loops over arrays that are to be registers. In
// device code alone: host compilers have other words.
#ifdef __CUDA_ARCH__
#define GGFP8_NO_UNROLL _Pragma("unroll 1")
#define GGFP8_DEVICE_UNROLL _Pragma("unroll")
#else
#define GGFP8_NO_UNROLL
#define GGFP8_DEVICE_UNROLL
#endif
#define GGFP8_ALWAYS_INLINE inline __attribute__((always_inline))

namespace ggfp8 {

// value + (divisor - 1) must fit the type.
template <class Int>
GGFP8_HOST_DEVICE constexpr Int ceil_div(Int value, Int divisor) {
  return (value + (divisor - 1)) / divisor;
}

template <class Int>
GGFP8_HOST_DEVICE constexpr Int round_up(Int value, Int multiple) {
  return ceil_div(value, multiple) * multiple;
}

// value / divisor, in the fewest instructions: a device divides unsigned numbers faster.
GGFP8_HOST_DEVICE constexpr int32_t quotient(int32_t value, int32_t divisor) {
  return static_cast<int32_t>(static_cast<uint32_t>(value) / static_cast<uint32_t>(divisor));
}

template <class Int>
GGFP8_HOST_DEVICE constexpr Int min_of(Int x, Int y) {
  return x < y ? x : y;
}

template <class Int>
GGFP8_HOST_DEVICE constexpr Int max_of(Int x, Int y) {
  return x < y ? y : x;
}

template <class Int>
GGFP8_HOST_DEVICE constexpr Int clamp_to(Int value, Int low, Int high) {
  return min_of(max_of(value, low), high);
}

inline bool is_aligned(const void* pointer, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(bytes) == 0;
}

}  // namespace ggfp8
