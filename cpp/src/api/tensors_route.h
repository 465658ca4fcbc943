// From arrays with shapes and types to the argument struct of a routing: every check that needs a
// shape. Reads no array's contents and no device.
#pragma once

#include "api/tensor_workspace.h"
#include "core/status.h"
#include "groupgemm_fp8/moe.h"

namespace ggfp8 {

// workspace may be null.
struct RouteTensors {
  const ggfp8_tensor* top_k_index = nullptr;
  const ggfp8_tensor* row_index = nullptr;
  const ggfp8_tensor* position = nullptr;
  const ggfp8_tensor* m_indptr = nullptr;
  const ggfp8_tensor* workspace = nullptr;
};

Status route_args_from_tensors(const RouteTensors& tensors, uint32_t flags, ggfp8_route_args* args,
                               WorkspacePart* workspace) noexcept;

}  // namespace ggfp8
