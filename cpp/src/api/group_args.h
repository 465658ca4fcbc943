// The part of the arguments that says where the groups are: layout, array, alignment, hint.
#pragma once

#include "core/problem.h"
#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

// Fills in what needs neither sizes nor the array: the layout, the type, the alignment.
Status read_group_options(const ggfp8_group_gemm_args& args, Problem* problem) noexcept;

// Fills in the array, which may still be null, and the hint; *problem must have cum_m, batch_size
// and what read_group_options fills in.
Status read_group_array(const ggfp8_group_gemm_args& args, Problem* problem) noexcept;

// Fails if there is no group array.
Status check_group_array_given(const Problem& problem) noexcept;

}  // namespace ggfp8
