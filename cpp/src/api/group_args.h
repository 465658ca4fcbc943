// The part of the arguments that says where the groups are: layout, array, alignment, hint.
#pragma once

#include "core/problem.h"
#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

// Fills in all of *problem that concerns groups, whose sizes and batch_size must be there. The
// group array may still be null.
Status read_groups(const ggfp8_group_gemm_args& args, Problem* problem) noexcept;

// Fails if there is no group array.
Status check_group_array_given(const Problem& problem) noexcept;

}  // namespace ggfp8
