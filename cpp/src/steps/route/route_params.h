// Parameters of the kernels of routing: the problem, its plan and the workspace. Plain data, passed
// by value.
#pragma once

#include <cstdint>

#include "steps/route/route_plan.h"
#include "steps/route/route_problem.h"

namespace ggfp8::steps {

struct RouteParams {
  RouteProblem problem;
  RoutePlan plan;
  int32_t* workspace;  // the table [chunk][group], or the counts of one chunk [group]
};

}  // namespace ggfp8::steps
