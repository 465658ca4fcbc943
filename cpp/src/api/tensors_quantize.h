// From arrays with shapes and types to the argument structs of quantisation: every check that needs
// a shape. Reads no array's contents and no device.
#pragma once

#include "core/status.h"
#include "groupgemm_fp8/moe.h"

namespace ggfp8 {

// row_index and position may be null.
struct QuantizeTensors {
  const ggfp8_tensor* x = nullptr;
  const ggfp8_tensor* row_index = nullptr;
  const ggfp8_tensor* position = nullptr;
  const ggfp8_tensor* out = nullptr;
  const ggfp8_tensor* out_scale = nullptr;
};

// m_indptr may be null.
struct SiluTensors {
  const ggfp8_tensor* gate_up = nullptr;
  const ggfp8_tensor* m_indptr = nullptr;
  const ggfp8_tensor* out = nullptr;
  const ggfp8_tensor* out_scale = nullptr;
};

// options may be null. *empty tells that out has no element, so that nothing is to be done.
Status quantize_args_from_tensors(const QuantizeTensors& tensors,
                                  const ggfp8_quantize_groupwise_options* options,
                                  ggfp8_quantize_groupwise_args* args, bool* empty) noexcept;

Status silu_args_from_tensors(const SiluTensors& tensors,
                              const ggfp8_silu_mul_quantize_groupwise_options* options,
                              ggfp8_silu_mul_quantize_groupwise_args* args, bool* empty) noexcept;

}  // namespace ggfp8
