// The weighted sum of rows on a CUDA device.
#pragma once

#include "core/status.h"
#include "steps/combine/combine_problem.h"

namespace ggfp8::steps {

// Enqueues one kernel on the stream.
Status combine_on_cuda(const CombineProblem& problem, void* stream);

}  // namespace ggfp8::steps
