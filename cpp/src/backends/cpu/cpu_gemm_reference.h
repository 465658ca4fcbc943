// The cpu backend's result spelled out with plain loops: what every vectorised, tiled and threaded
// path must equal bit for bit. Used by tests.
#pragma once

#include "core/problem.h"

namespace ggfp8 {

// Computes problem under the caller's floating-point environment, which must be the default one.
void compute_reference(const Problem& problem) noexcept;

}  // namespace ggfp8
