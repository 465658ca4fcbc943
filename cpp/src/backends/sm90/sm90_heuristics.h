// Decides whether sm90 takes a problem, and which tile shape and how many CTAs it gets. Pure host
// code. The choice never changes a result: every shape gives wgmma the same products in the same
// order.
#pragma once

#include "backends/sm90/sm90_config.h"
#include "backends/sm90/sm90_time_model.h"
#include "core/device_info.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/support.h"

namespace ggfp8::sm90 {

struct Choice {
  Tiling tiling;
  int num_ctas = 1;
};

Choice choose(const Problem& problem, const DeviceInfo& device);

// Returns whether TMA, which moves multiples of 16 bytes, can load the scales of a's rows.
bool can_load_sfa_by_tma(const Problem& problem);

// Returns whether full boxes of the output leave by TMA store. That epilogue rounds in the last
// k-block, which must not be the first.
bool can_store_by_tma(const Problem& problem, const Shape& shape);

Support supports(const Problem& problem, const DeviceInfo& device);

Plan plan(const Problem& problem, const DeviceInfo& device);

}  // namespace ggfp8::sm90
