// A correction of encoded tensor maps. The driver's encoder, up to CUDA 13.1, may set a bit of
// address generation that Blackwell honours for tensors of at least 128 KiB only; for smaller ones
// it must be clear. The maps that the kernels start from describe no real tensor and are small;
// they get a group's address, sizes and strides on the device, where the bit stays as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ggfp8::sm100 {

constexpr size_t kTensorMapBytes = 128;

// Clears the bit: number 21 of the second 64-bit word.
inline void clear_large_tensor_bit(void* tensor_map) {
  uint64_t word;
  char* const place = static_cast<char*>(tensor_map) + sizeof word;
  std::memcpy(&word, place, sizeof word);
  word &= ~(uint64_t{1} << 21);
  std::memcpy(place, &word, sizeof word);
}

// Returns whether the driver filled the map, which was zero before.
inline bool is_encoded(const void* tensor_map) {
  constexpr char kZeros[kTensorMapBytes] = {};
  return std::memcmp(tensor_map, kZeros, kTensorMapBytes) != 0;
}

}  // namespace ggfp8::sm100
