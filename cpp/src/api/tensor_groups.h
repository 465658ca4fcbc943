// The check of the group array, for arrays with shapes: bounds, ends or counts of int32 or int64.
#pragma once

#include <cstdint>

#include "api/tensor_checks.h"
#include "core/problem.h"
#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

// Checks the array's type and shape, and writes args->group_dtype.
Status read_group_tensor(const Array& groups, GroupKind kind, int64_t batch_size,
                         ggfp8_group_gemm_args* args) noexcept;

}  // namespace ggfp8
