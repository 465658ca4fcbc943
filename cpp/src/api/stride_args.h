// The part of the arguments that says how rows, groups and slabs lie in memory.
#pragma once

#include "core/problem.h"
#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

// Fills in the strides of *problem, whose sizes, layout, granularities and majors must be there.
// Dense defaults are resolved, and every element is addressable.
Status read_strides(const ggfp8_group_gemm_args& args, Problem* problem) noexcept;

}  // namespace ggfp8
