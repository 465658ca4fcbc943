// The bodies of the public functions. Each runs inside one guard that lets no exception pass.
// Functions that take arrays with shapes are in c_api_tensors.cpp.
#include <cstring>

#include "api/argument_checks.h"
#include "api/group_check.h"
#include "api/guard.h"
#include "api/route.h"
#include "api/sized_struct.h"
#include "api/validate.h"
#include "core/environment.h"
#include "cuda/cuda_device.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "select/registry.h"
#include "select/select.h"

using namespace ggfp8;

extern "C" {

int32_t ggfp8_version(void) {
  return GGFP8_VERSION_MAJOR * 10000 + GGFP8_VERSION_MINOR * 100 + GGFP8_VERSION_PATCH;
}

const char* ggfp8_status_string(int32_t status) {
  return status_string(status);
}

const char* ggfp8_last_error(void) {
  return last_error();
}

int64_t ggfp8_max_cum_m(void) {
  return GGFP8_MAX_CUM_M;
}
int64_t ggfp8_max_n(void) {
  return GGFP8_MAX_N;
}
int64_t ggfp8_max_k(void) {
  return GGFP8_MAX_K;
}
int64_t ggfp8_max_batch_size(void) {
  return GGFP8_MAX_BATCH_SIZE;
}
size_t ggfp8_workspace_alignment(void) {
  return GGFP8_WORKSPACE_ALIGNMENT;
}
size_t ggfp8_group_gemm_args_size(void) {
  return sizeof(ggfp8_group_gemm_args);
}

int32_t ggfp8_group_gemm_nt_groupwise(const ggfp8_group_gemm_args* args, void* workspace,
                                      size_t workspace_bytes, void* stream) {
  return guarded([&]() -> Status {
    Route route;
    if (Status s = find_route(args, &route)) return s;
    if (Status s = check_workspace_memory(workspace, workspace_bytes, route.plan.workspace_bytes))
      return s;
    if (route.problem.validate_groups && route.problem.groups != nullptr) {
      if (Status s = check_groups(route.problem, stream)) return s;
    }
    if (route.empty) return kSuccess;
    const LaunchContext context = {workspace, workspace_bytes, stream};
    return route.backend->launch(route.problem, route.device, route.plan, context);
  });
}

int32_t ggfp8_group_gemm_workspace_size(const ggfp8_group_gemm_args* args, size_t* bytes) {
  return guarded([&]() -> Status {
    if (bytes == nullptr) {
      return fail(GGFP8_ERROR_INVALID_ARGUMENT, "bytes: got NULL, wanted a place for the size");
    }
    Route route;
    if (Status s = find_route(args, &route)) return s;
    *bytes = route.plan.workspace_bytes;
    return kSuccess;
  });
}

int32_t ggfp8_group_gemm_plan(const ggfp8_group_gemm_args* args, ggfp8_plan_info* plan) {
  return guarded([&]() -> Status {
    Route route;
    if (Status s = find_route(args, &route)) return s;
    ggfp8_plan_info info = {};
    info.backend = route.empty ? "none" : route.backend->name;
    info.config = route.empty ? "none" : route.plan.config_name;
    info.workspace_bytes = route.plan.workspace_bytes;
    info.num_workers = route.plan.num_workers;
    info.group_layout = name_of(route.problem.group_kind);
    return write_sized_struct(info, kPlanInfoBytesV1, plan, "plan");
  });
}

int32_t ggfp8_reload_environment(void) {
  return guarded([] { return reload_environment(); });
}

const char* ggfp8_environment_backend(void) {
  return environment().backend;
}

int32_t ggfp8_num_backends(void) {
  return static_cast<int32_t>(registered_backends().size());
}

const char* ggfp8_backend_name(int32_t idx) {
  const auto backends = registered_backends();
  const bool in_range = idx >= 0 && static_cast<size_t>(idx) < backends.size();
  return in_range ? backends[static_cast<size_t>(idx)]->name : nullptr;
}

const char* ggfp8_backend_config_name(int32_t backend_idx, int32_t idx) {
  const auto backends = registered_backends();
  if (backend_idx < 0 || static_cast<size_t>(backend_idx) >= backends.size()) return nullptr;
  const auto configs = backends[static_cast<size_t>(backend_idx)]->configs;
  const bool in_range = idx >= 0 && static_cast<size_t>(idx) < configs.size();
  return in_range ? configs[static_cast<size_t>(idx)] : nullptr;
}

int32_t ggfp8_backend_supports(const char* backend, const ggfp8_group_gemm_args* args) {
  return guarded([&]() -> Status {
    if (backend == nullptr || backend[0] == '\0') {
      return fail(GGFP8_ERROR_INVALID_ARGUMENT, "backend: got no name, wanted a backend's name");
    }
    Request request;
    if (Status s = read_request(registered_backends(), backend, &request)) return s;
    Problem problem;
    DeviceInfo device;
    bool empty = false;
    if (Status s = validate(args, &problem, &empty)) return s;
    if (empty) return kSuccess;  // nothing to compute: no backend is asked
    if (Status s = query_device(problem.device_type, problem.device_id, &device)) return s;
    problem.requested_config = request.config;
    const Support support = request.backend->supports(problem, device);
    if (support.ok) return kSuccess;
    return fail(GGFP8_ERROR_UNSUPPORTED, "%s refuses: %s", backend, support.reason().text);
  });
}

int32_t ggfp8_device_count(int32_t device_type, int32_t* count) {
  return guarded([&]() -> Status {
    if (count == nullptr) {
      return fail(GGFP8_ERROR_INVALID_ARGUMENT, "count: got NULL, wanted a place for the number");
    }
    *count = device_type == GGFP8_DEVICE_CPU ? 1 : 0;
    if (device_type == GGFP8_DEVICE_CPU) return kSuccess;
    if (device_type == GGFP8_DEVICE_CUDA) return count_cuda_devices(count);
    return refuse_device_type(device_type);
  });
}

int32_t ggfp8_device_query(int32_t device_type, int32_t device_id, ggfp8_device_info* info) {
  return guarded([&]() -> Status {
    if (device_type != GGFP8_DEVICE_CPU && device_type != GGFP8_DEVICE_CUDA) {
      return refuse_device_type(device_type);
    }
    DeviceInfo device;
    if (Status s = query_device(static_cast<DeviceType>(device_type), device_id, &device)) return s;
    ggfp8_device_info result = {};
    std::memcpy(result.name, device.name, sizeof result.name);
    result.compute_major = device.compute_major;
    result.compute_minor = device.compute_minor;
    result.num_processors = device.num_processors;
    result.l2_bytes = device.l2_bytes;
    return write_sized_struct(result, kDeviceInfoBytesV1, info, "info");
  });
}

int32_t ggfp8_pointer_device(const void* pointer, int32_t* device_type, int32_t* device_id) {
  return guarded([&]() -> Status {
    if (device_type == nullptr || device_id == nullptr) {
      return fail(GGFP8_ERROR_INVALID_ARGUMENT, "%s: got NULL, wanted a place for the result",
                  device_type == nullptr ? "device_type" : "device_id");
    }
    *device_id = 0;
    *device_type = cuda_device_of(pointer, device_id) ? GGFP8_DEVICE_CUDA : GGFP8_DEVICE_CPU;
    return kSuccess;
  });
}

}  // extern "C"
