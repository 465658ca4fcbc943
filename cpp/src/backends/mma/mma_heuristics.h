// Decides whether mma takes a problem, and which tile shape and how many CTAs it gets. Pure host
// code; the reasons stand beside the numbers. The choice never changes a result: every shape adds
// the same products in the same order.
#pragma once

#include <cstdint>

#include "core/device_info.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/support.h"

namespace ggfp8::mma {

struct Choice {
  int shape_idx = 0;  // into kTileShapes
  int num_ctas = 1;
};

Choice choose(const Problem& problem, const DeviceInfo& device);

Support supports(const Problem& problem, const DeviceInfo& device);

Plan plan(const Problem& problem, const DeviceInfo& device);

}  // namespace ggfp8::mma
