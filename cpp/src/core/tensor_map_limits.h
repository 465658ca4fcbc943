// Limits of tensor maps, for backends that refuse what a map cannot describe.
#pragma once

#include <cstdint>

namespace ggfp8 {

// Starts and strides are multiples of 16 bytes; strides are below this many bytes.
constexpr int64_t kTensorMapStrideEnd = int64_t{1} << 40;

}  // namespace ggfp8
