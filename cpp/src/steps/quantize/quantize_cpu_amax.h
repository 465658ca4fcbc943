// The largest magnitude of elements, on the CPU, in loops that the compiler vectorises.
//
// NOTE: everything here is in an unnamed namespace, see quantize_cpu_strip.h.
#pragma once

#include <cstdint>

#include "host/input_convert.h"
#include "steps/quantize/block_scale.h"

namespace ggfp8::steps {
namespace {

// Returns the largest magnitude. Bits compare as magnitudes do.
template <Dtype kIn>
inline float largest_magnitude(const Input<kIn>* x, int64_t count) {
  using Bits = Magnitude<kIn>;
  Bits largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Bits magnitude = magnitude_bits<kIn>(x[i]);
    largest = largest > magnitude ? largest : magnitude;
  }
  return magnitude_value<kIn>(largest);
}

// Returns the largest magnitude with NaNs ignored and infinities made finite.
template <Dtype kIn>
inline float largest_finite_magnitude(const Input<kIn>* x, int64_t count) {
  float largest = 0.0f;
  for (int64_t i = 0; i < count; ++i) {
    const float value = to_float<kIn>(x[i]);
    const float magnitude = value < 0.0f ? -value : value;
    const float finite = magnitude > kMaxFloat ? kMaxFloat : magnitude;
    largest = largest < finite ? finite : largest;  // false for NaN
  }
  return largest;
}

template <Dtype kIn>
inline float find_amax(const Input<kIn>* x, int64_t count) {
  const float amax = largest_magnitude<kIn>(x, count);
  return amax <= kMaxFloat ? amax : largest_finite_magnitude<kIn>(x, count);
}

}  // namespace
}  // namespace ggfp8::steps
