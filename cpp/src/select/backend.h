// THE contract between the library and a backend. A backend is one constant of this type.
//
// Holds for all backends: the Problem is validated and its output is not empty; functions do not
// throw, allocate device memory or synchronise a stream; supports() and plan() are pure functions
// of their arguments; a failing launch() has enqueued nothing.
#pragma once

#include <cstddef>

#include "core/device_info.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/status.h"

namespace ggfp8 {

// Whether a backend takes a problem. A refusal has a reason: a clause that completes
// "backend NAME refuses: ...".
struct Support {
  bool ok = true;
  Message reason;
};

// What a launch may use besides the problem. The workspace is aligned, large enough for the plan,
// and holds garbage.
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
};

// A refusal with a printf-style reason.
template <class... Values>
Support refuse(const char* format, Values... values) {
  Support support;
  support.ok = false;
  support.reason.append(format, values...);
  return support;
}

}  // namespace ggfp8
