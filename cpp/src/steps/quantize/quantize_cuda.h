// Quantisation on a CUDA device.
#pragma once

#include "core/status.h"
#include "steps/quantize/quantize_problem.h"

namespace ggfp8::steps {

// Enqueues one kernel on the stream.
Status quantize_on_cuda(const QuantizeProblem& problem, void* stream);

}  // namespace ggfp8::steps
