// From arrays with shapes and types to the argument struct of a weighted sum: every check that
// needs a shape. Reads no array's contents and no device.
#pragma once

#include "core/status.h"
#include "groupgemm_fp8/moe.h"

namespace ggfp8 {

struct CombineTensors {
  const ggfp8_tensor* x = nullptr;
  const ggfp8_tensor* position = nullptr;
  const ggfp8_tensor* weight = nullptr;
  const ggfp8_tensor* out = nullptr;
};

Status combine_args_from_tensors(const CombineTensors& tensors, uint32_t flags,
                                 ggfp8_combine_args* args) noexcept;

}  // namespace ggfp8
