// The weighted sum of rows on the CPU: threads take tokens one after the other, and sum each with
// the widest instruction set there is.
#pragma once

#include <cstdint>

#include "core/device_info.h"
#include "core/status.h"
#include "steps/combine/combine_problem.h"

namespace ggfp8::steps {

using CombineToken = void (*)(const CombineProblem& problem, int64_t token);

// The function of one instruction set for a type of x.
using FindCombineToken = CombineToken (*)(Dtype x_dtype);

// Computes and returns when all is written.
Status combine_on_cpu(const CombineProblem& problem, const DeviceInfo& device);

}  // namespace ggfp8::steps
