// Routing on the CPU: a counting sort on the calling thread.
#pragma once

#include "core/status.h"
#include "steps/route/route_problem.h"

namespace ggfp8::steps {

// Returns when all is written.
Status route_on_cpu(const RouteProblem& problem);

}  // namespace ggfp8::steps
