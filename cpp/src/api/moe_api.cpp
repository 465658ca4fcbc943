// The bodies of the functions of moe.h: read the arguments, look at the device, run the step there.
#include "groupgemm_fp8/moe.h"

#include "api/argument_checks.h"
#include "api/combine_args.h"
#include "api/guard.h"
#include "api/quantize_args.h"
#include "api/route.h"
#include "api/route_args.h"
#include "steps/combine/combine_cpu.h"
#include "steps/combine/combine_cuda.h"
#include "steps/quantize/quantize_cpu.h"
#include "steps/quantize/quantize_cuda.h"
#include "steps/route/route_cpu.h"
#include "steps/route/route_cuda.h"
#include "steps/route/route_plan.h"

namespace ggfp8 {
namespace {

// Facts about the device of a problem, which must be able to run the steps.
template <class Problem>
Status find_device(const Problem& problem, DeviceInfo* device) {
  if (Status s = query_device(problem.device_type, problem.device_id, device)) return s;
  if (problem.device_type == DeviceType::kCpu || device->compute_capability() >= 80) {
    return kSuccess;
  }
  return fail(GGFP8_ERROR_UNSUPPORTED,
              "device_id: got %d with compute capability %d.%d, wanted 8.0 or later",
              problem.device_id, device->compute_major, device->compute_minor);
}

Status run_quantize(const steps::QuantizeProblem& problem, void* stream) {
  DeviceInfo device;
  if (Status s = find_device(problem, &device)) return s;
  if (problem.device_type == DeviceType::kCpu) return steps::quantize_on_cpu(problem, device);
  return steps::quantize_on_cuda(problem, stream);
}

size_t route_workspace_bytes(const steps::RouteProblem& problem) {
  if (problem.device_type == DeviceType::kCpu) return 0;
  return steps::plan_route(problem.num_pairs(), problem.num_groups).workspace_bytes;
}

}  // namespace
}  // namespace ggfp8

using namespace ggfp8;

extern "C" {

size_t ggfp8_quantize_groupwise_args_size(void) {
  return sizeof(ggfp8_quantize_groupwise_args);
}
size_t ggfp8_silu_mul_quantize_groupwise_args_size(void) {
  return sizeof(ggfp8_silu_mul_quantize_groupwise_args);
}
size_t ggfp8_route_args_size(void) {
  return sizeof(ggfp8_route_args);
}
size_t ggfp8_combine_args_size(void) {
  return sizeof(ggfp8_combine_args);
}

int32_t ggfp8_quantize_groupwise(const ggfp8_quantize_groupwise_args* args, void* stream) {
  return guarded([&]() -> Status {
    steps::QuantizeProblem problem;
    bool empty = false;
    if (Status s = read_quantize_args(args, &problem, &empty)) return s;
    return empty ? kSuccess : run_quantize(problem, stream);
  });
}

int32_t ggfp8_silu_mul_quantize_groupwise(const ggfp8_silu_mul_quantize_groupwise_args* args,
                                          void* stream) {
  return guarded([&]() -> Status {
    steps::QuantizeProblem problem;
    bool empty = false;
    if (Status s = read_silu_mul_quantize_args(args, &problem, &empty)) return s;
    return empty ? kSuccess : run_quantize(problem, stream);
  });
}

int32_t ggfp8_route(const ggfp8_route_args* args, void* workspace, size_t workspace_bytes,
                    void* stream) {
  return guarded([&]() -> Status {
    steps::RouteProblem problem;
    DeviceInfo device;
    if (Status s = read_route_args(args, &problem)) return s;
    if (Status s = find_device(problem, &device)) return s;
    const size_t needed = route_workspace_bytes(problem);
    if (Status s = check_workspace_memory(workspace, workspace_bytes, needed)) return s;
    if (problem.device_type == DeviceType::kCpu) return steps::route_on_cpu(problem);
    return steps::route_on_cuda(problem, workspace, stream);
  });
}

int32_t ggfp8_route_workspace_size(const ggfp8_route_args* args, size_t* bytes) {
  return guarded([&]() -> Status {
    if (bytes == nullptr) {
      return fail(GGFP8_ERROR_INVALID_ARGUMENT, "bytes: got NULL, wanted a place for the size");
    }
    steps::RouteProblem problem;
    if (Status s = read_route_args(args, &problem)) return s;
    *bytes = route_workspace_bytes(problem);
    return kSuccess;
  });
}

int32_t ggfp8_combine(const ggfp8_combine_args* args, void* stream) {
  return guarded([&]() -> Status {
    steps::CombineProblem problem;
    DeviceInfo device;
    bool empty = false;
    if (Status s = read_combine_args(args, &problem, &empty)) return s;
    if (empty) return kSuccess;
    if (Status s = find_device(problem, &device)) return s;
    if (problem.device_type == DeviceType::kCpu) return steps::combine_on_cpu(problem, device);
    return steps::combine_on_cuda(problem, stream);
  });
}

}  // extern "C"
