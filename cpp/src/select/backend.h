// THE contract between the library and a backend. A backend is one constant of this type.
//
// Holds for all backends: the Problem is validated and its output is not empty; functions do not
// throw, allocate device memory or synchronise a stream; supports() and plan() are pure functions
// of their arguments; a failing launch() has enqueued nothing.
#pragma once

#include <cstddef>
#include <span>

#include "core/device_info.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/status.h"
#include "core/support.h"

namespace ggfp8 {

// The resources of a launch besides the problem. The workspace is aligned, large enough for the
// plan, and holds garbage.
struct LaunchContext {
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
  void* stream = nullptr;  // cudaStream_t; ignored by the CPU
};

struct Backend {
  const char* name;
  Support (*supports)(const Problem& problem, const DeviceInfo& device);
  Plan (*plan)(const Problem& problem, const DeviceInfo& device);
  Status (*launch)(const Problem& problem, const DeviceInfo& device, const Plan& plan,
                   const LaunchContext& context);

  // The configurations that a call may ask for, by the names that plans have. supports() and plan()
  // read Problem::requested_config, an index into them. Empty: there is nothing to choose.
  std::span<const char* const> configs = {};
};

}  // namespace ggfp8
