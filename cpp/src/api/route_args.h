// Turns the argument struct of a routing into a RouteProblem, or names the member that is wrong.
// Reads no array and no device.
#pragma once

#include "core/status.h"
#include "groupgemm_fp8/moe.h"
#include "steps/route/route_problem.h"

namespace ggfp8 {

Status read_route_args(const ggfp8_route_args* args, steps::RouteProblem* problem) noexcept;

}  // namespace ggfp8
