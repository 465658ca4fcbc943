// Routing on a CUDA device.
#pragma once

#include "core/status.h"
#include "steps/route/route_problem.h"

namespace ggfp8::steps {

// Enqueues one or two kernels on the stream. The workspace has the bytes of plan_route().
Status route_on_cuda(const RouteProblem& problem, void* workspace, void* stream);

}  // namespace ggfp8::steps
