// Turns the caller's argument struct into a Problem, or names the argument that is wrong.
//
// Called first by every entry of the C API that takes arguments. Reads no array and no device.
#pragma once

#include "core/problem.h"
#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

// On success *problem is complete and *empty tells that `out` has no element, so that nothing is
// to be computed. An empty problem has no pointer but the group array, which may be null.
Status validate(const ggfp8_group_gemm_args* args, Problem* problem, bool* empty) noexcept;

// Copies a caller's struct of any accepted size into *args: members the caller does not know
// become zero, and an unknown tail must be zero. Shared by all size-first structs.
Status read_sized_struct(const void* source, size_t known_bytes, size_t minimum_bytes, void* copy,
                         const char* name) noexcept;

}  // namespace ggfp8
