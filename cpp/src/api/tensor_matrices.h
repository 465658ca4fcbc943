// The checks of a, b and out, for arrays with shapes: type, axes, sizes, strides.
//
// Each writes what it finds to *args: sizes, strides, types. With masked groups a and out have an
// axis of groups before the others.
#pragma once

#include <cstdint>

#include "api/tensor_checks.h"
#include "core/problem.h"
#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

// `declared` is the GGFP8_DTYPE_FLOAT8_* that the caller says bytes are, or 0.
Status read_a(const Array& a, int32_t declared, GroupKind kind,
              ggfp8_group_gemm_args* args) noexcept;

// After read_a.
Status read_b(const Array& b, const Array& a, int32_t declared,
              ggfp8_group_gemm_args* args) noexcept;

// After read_b. `wanted_dtype` is a GGFP8_DTYPE_*, or 0 for any.
Status read_out(const Array& out, const Array& a, int32_t wanted_dtype,
                ggfp8_group_gemm_args* args) noexcept;

// The distance between the groups' slabs of an array whose strides are checked; 0 where the array
// says none, which means dense.
Status read_slab_stride(const Array& array, int64_t multiple, int64_t* stride) noexcept;

}  // namespace ggfp8
