// The route of a call up to the launch: validate, look at the device, select, plan.
//
// The launch, the workspace query and the introspection functions all take this one route, so a
// reported size or plan cannot differ from the one used.
#pragma once

#include "core/device_info.h"
#include "core/plan.h"
#include "core/problem.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "select/backend.h"

namespace ggfp8 {

struct Route {
  Problem problem;
  bool empty = false;  // nothing to compute; the members below are then unset
  DeviceInfo device;
  const Backend* backend = nullptr;
  Plan plan;
};

Status find_route(const ggfp8_group_gemm_args* args, Route* route);

// Facts about one device, or why there is none.
Status query_device(DeviceType type, int32_t id, DeviceInfo* info);

}  // namespace ggfp8
