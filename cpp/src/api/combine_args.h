// Turns the argument struct of a weighted sum into a CombineProblem, or names the member that is
// wrong. Reads no array and no device.
#pragma once

#include "core/status.h"
#include "groupgemm_fp8/moe.h"
#include "steps/combine/combine_problem.h"

namespace ggfp8 {

// *empty tells that out has no element, so that nothing is to be done.
Status read_combine_args(const ggfp8_combine_args* args, steps::CombineProblem* problem,
                         bool* empty) noexcept;

}  // namespace ggfp8
