#include "cuda_double.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace cuda_double {

Runtime runtime;

void capture_node() {
  static char nodes[64];
  static size_t num_nodes = 0;
  runtime.nodes_before[0] = reinterpret_cast<cudaGraphNode_t>(&nodes[num_nodes++]);
  runtime.num_nodes_before = 1;
}

}  // namespace cuda_double

using cuda_double::capture_node;
using cuda_double::runtime;

namespace {

CUresult CUDAAPI pointer_attributes(unsigned, CUpointer_attribute*, void** values, CUdeviceptr) {
  *static_cast<CUmemorytype*>(values[0]) = runtime.memory_type;
  *static_cast<int*>(values[1]) = 0;
  return CUDA_SUCCESS;
}

// A context of a device: the address of the device's place.
CUcontext context_of(int device) {
  static char places[8];
  return reinterpret_cast<CUcontext>(&places[device]);
}

CUresult CUDAAPI stream_context(CUstream, CUcontext* context) {
  ++runtime.num_stream_questions;
  *context = context_of(runtime.stream_device);
  return runtime.stream_error;
}

CUresult CUDAAPI push_context(CUcontext context) {
  ++runtime.num_pushed_contexts;
  runtime.pushed_context = context;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI pop_context(CUcontext* context) {
  --runtime.num_pushed_contexts;
  *context = runtime.pushed_context;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI context_device(CUdevice* device) {
  *device = 0;
  while (context_of(*device) != runtime.pushed_context) ++*device;
  return runtime.context_error;
}

CUresult CUDAAPI encode_tiled(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*,
                              const cuuint64_t*, const cuuint64_t*, const cuuint32_t*,
                              const cuuint32_t*, CUtensorMapInterleave, CUtensorMapSwizzle,
                              CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  return CUDA_SUCCESS;
}

struct DriverFunction {
  const char* name;
  void* address;
};

const DriverFunction driver_functions[] = {
    {"cuTensorMapEncodeTiled", reinterpret_cast<void*>(&encode_tiled)},
    {"cuPointerGetAttributes", reinterpret_cast<void*>(&pointer_attributes)},
    {"cuStreamGetCtx", reinterpret_cast<void*>(&stream_context)},
    {"cuCtxPushCurrent", reinterpret_cast<void*>(&push_context)},
    {"cuCtxPopCurrent", reinterpret_cast<void*>(&pop_context)},
    {"cuCtxGetDevice", reinterpret_cast<void*>(&context_device)}};

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  ++runtime.num_counts;
  *count = runtime.count_error == cudaSuccess ? runtime.num_devices : 0;
  return runtime.count_error;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  ++runtime.num_properties;
  *properties = {};
  std::strcpy(properties->name, "double");
  properties->multiProcessorCount = 7;
  return runtime.properties_error;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 1;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  ++runtime.num_lookups;
  const DriverFunction* const found = std::find_if(
      std::begin(driver_functions), std::end(driver_functions),
      [&](const DriverFunction& known) { return std::strcmp(known.name, symbol) == 0; });
  const bool is_known = runtime.has_driver_functions && found != std::end(driver_functions);
  *function = is_known ? found->address : nullptr;
  *result = is_known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int value) {
  ++runtime.num_limits;
  if (runtime.limit_error == cudaSuccess) runtime.smem_limit = value;
  return runtime.limit_error;
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void*, void**) {
  ++runtime.num_attempts;
  runtime.last_began_early = false;
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    if (config->attrs[i].id == cudaLaunchAttributeProgrammaticStreamSerialization) {
      runtime.last_began_early = true;
    }
  }
  if (static_cast<int>(config->dynamicSmemBytes) > runtime.smem_limit) return cudaErrorInvalidValue;
  if (runtime.launch_error != cudaSuccess) return runtime.launch_error;
  ++runtime.num_launches;
  if (runtime.capture == cudaStreamCaptureStatusActive) capture_node();
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode*) {
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = runtime.capture;
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  attributes->ptxVersion = runtime.code_version;
  return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t*,
                                     const cudaGraphNode_t** nodes, const cudaGraphEdgeData**,
                                     size_t* num_nodes) {
  *status = runtime.capture;
  if (runtime.capture == cudaStreamCaptureStatusActive) {
    *id = runtime.capture_id;
    *nodes = runtime.nodes_before;
    *num_nodes = runtime.num_nodes_before;
  }
  return runtime.capture_error;
}
cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
const char* cudaGetErrorName(cudaError_t) {
  return "an error";
}
const char* cudaGetErrorString(cudaError_t) {
  return "of the double";
}

cudaError_t cudaGetDevice(int* device) {
  *device = runtime.current_device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  runtime.current_device = device;
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t) {
  ++runtime.num_copies;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return cudaSuccess;
}

}  // extern "C"
