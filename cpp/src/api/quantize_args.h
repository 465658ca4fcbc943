// Turns the argument structs of quantisation into a QuantizeProblem, or names the member that is
// wrong. Reads no array and no device.
#pragma once

#include "core/status.h"
#include "groupgemm_fp8/moe.h"
#include "steps/quantize/quantize_problem.h"

namespace ggfp8 {

// *empty tells that out has no element, so that nothing is to be done.
Status read_quantize_args(const ggfp8_quantize_groupwise_args* args,
                          steps::QuantizeProblem* problem, bool* empty) noexcept;

Status read_silu_mul_quantize_args(const ggfp8_silu_mul_quantize_groupwise_args* args,
                                   steps::QuantizeProblem* problem, bool* empty) noexcept;

}  // namespace ggfp8
