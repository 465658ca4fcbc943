// Whether the memory of an array that is written is apart from that of other arrays.
#pragma once

#include <span>

#include "api/tensor_checks.h"

namespace ggfp8 {

// All arrays have passed check_strides and are on one device. Rows of two arrays may interleave, so
// that each array's rows lie between those of the other, if both have the same row pitch.
Status check_apart(const Array& written, std::span<const Array* const> others) noexcept;

}  // namespace ggfp8
