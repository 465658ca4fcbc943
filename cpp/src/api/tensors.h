// From arrays with shapes and types to ggfp8_group_gemm_args: every check that needs a shape.
//
// Called by the functions whose names end in _tensors. Reads no array's contents and no device.
// The function validate checks what the options say, in the sentences of the args.
#pragma once

#include "api/tensor_workspace.h"
#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

// The caller's arrays; out and workspace may be null.
struct GroupGemmTensors {
  const ggfp8_tensor* a = nullptr;
  const ggfp8_tensor* b = nullptr;
  const ggfp8_tensor* a_scale = nullptr;
  const ggfp8_tensor* b_scale = nullptr;
  const ggfp8_tensor* groups = nullptr;  // the group array
  const ggfp8_tensor* out = nullptr;
  const ggfp8_tensor* workspace = nullptr;
};

// Checks the arrays and fills *args and *workspace. Without out, a dense one at an aligned address
// is assumed. options may be null.
Status args_from_tensors(const GroupGemmTensors& tensors, const ggfp8_group_gemm_options* options,
                         ggfp8_group_gemm_args* args, WorkspacePart* workspace) noexcept;

}  // namespace ggfp8
