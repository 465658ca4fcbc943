// The check that GGFP8_FLAG_VALIDATE_M_INDPTR asks for: the contents of the group array of any
// layout, read on the host.
#pragma once

#include "core/problem.h"
#include "core/status.h"

namespace ggfp8 {

// Checks the group array, which is at `values` in host memory; the sentence names the array and the
// first bad index.
Status check_group_values(const Problem& problem, const void* values) noexcept;

// Reads the group array from the problem's device, which waits for the stream on CUDA, and checks
// it. May throw std::bad_alloc.
Status check_groups(const Problem& problem, void* stream);

}  // namespace ggfp8
