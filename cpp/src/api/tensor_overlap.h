// Whether the memory of an array that is written is apart from that of another array.
#pragma once

#include "api/tensor_checks.h"

namespace ggfp8 {

// Both arrays have passed check_strides and are on one device. Rows may interleave: each array's
// rows lie between those of the other, which is seen where both have the same row pitch.
Status check_apart(const Array& written, const Array& other) noexcept;

}  // namespace ggfp8
