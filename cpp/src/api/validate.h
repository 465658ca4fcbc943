// Turns the caller's argument struct into a Problem, or names the argument that is wrong.
//
// Called first by every entry of the C API that takes arguments. Reads no array and no device.
#pragma once

#include "core/problem.h"
#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

// On success *problem is complete and *empty tells that `out` has no element, so that nothing is
// to be computed. An empty problem has no pointer but m_indptr, which may be null.
Status validate(const ggfp8_group_gemm_args* args, Problem* problem, bool* empty) noexcept;

// The part of validate that needs neither sizes nor arrays: element types, granularity, layout of
// the scales, modes. Fills those members of *problem.
Status validate_options(const ggfp8_group_gemm_args& args, Problem* problem) noexcept;

}  // namespace ggfp8
