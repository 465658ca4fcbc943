// Whether sm90 takes a problem, and which tile shape and how many CTAs it gets. Pure host code. The
// choice never changes a result: every shape gives wgmma the same products in the same order.
#pragma once

#include "core/device_info.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/support.h"

namespace ggfp8::sm90 {

struct Choice {
  int shape_idx = 0;  // into kTileShapes
  int num_ctas = 1;
};

Choice choose(const Problem& problem, const DeviceInfo& device);

// Whether bulk copies, of 16 bytes and their multiples, can load the scales of a's rows.
bool sfa_in_bulk(const Problem& problem);

Support supports(const Problem& problem, const DeviceInfo& device);

Plan plan(const Problem& problem, const DeviceInfo& device);

}  // namespace ggfp8::sm90
