#include "api/route.h"

#include "api/validate.h"
#include "backends/cpu/cpu_device.h"
#include "core/environment.h"
#include "cuda/cuda_device.h"
#include "select/registry.h"
#include "select/select.h"

namespace ggfp8 {

Status query_device(DeviceType type, int32_t id, DeviceInfo* info) {
  if (type == DeviceType::kCuda) return query_cuda_device(id, info);
  if (id != 0) {
    return fail(GGFP8_ERROR_INVALID_DEVICE, "device_id: got %d, wanted 0 for the CPU", id);
  }
  return query_cpu_device(info);
}

Status find_route(const ggfp8_group_gemm_args* args, Route* route) {
  if (Status s = validate(args, &route->problem, &route->empty)) return s;
  if (route->empty) return kSuccess;
  Problem& problem = route->problem;
  if (Status s = query_device(problem.device_type, problem.device_id, &route->device)) return s;
  Request request;
  const char* text = problem.backend ? problem.backend : environment().backend;
  if (Status s = read_request(registered_backends(), text, &request)) return s;
  problem.requested_config = request.config;
  if (Status s = select_backend(registered_backends(), problem, route->device, request.backend,
                                &route->backend)) {
    return s;
  }
  route->plan = route->backend->plan(problem, route->device);
  return kSuccess;
}

}  // namespace ggfp8
