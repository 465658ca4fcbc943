// Code of the host around CUDA's runtime, which is this program's own: facts about devices and the
// launch of kernels, where the runtime fails at first or the device is reset.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstring>

#include "check.h"
#include "cuda/cuda_device.h"
#include "cuda/kernel_launch.h"
#include "cuda/tensor_map.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

constexpr int kDefaultSmemBytes = 48 << 10;

struct Runtime {
  cudaError_t count_error = cudaSuccess;
  cudaError_t properties_error = cudaSuccess;
  cudaError_t limit_error = cudaSuccess;
  cudaError_t launch_error = cudaSuccess;
  bool has_driver_functions = true;
  int smem_limit = kDefaultSmemBytes;  // of the kernel; cudaDeviceReset() would restore it
  int num_counts = 0;
  int num_properties = 0;
  int num_limits = 0;
  int num_launches = 0;  // that were enqueued
  int num_attempts = 0;
  int num_lookups = 0;
  CUmemorytype memory_type = CU_MEMORYTYPE_DEVICE;
  int stream_device = 0;
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  cudaError_t stream_error = cudaSuccess;  // of the question for its device
  int num_stream_questions = 0;
  int code_version = 90;  // of the kernel
  bool last_began_early = false;

  // The capture of the stream, and the nodes that the next one comes after.
  unsigned long long capture_id = 1;
  cudaGraphNode_t nodes_before[2] = {};
  size_t num_nodes_before = 0;
  cudaError_t capture_error = cudaSuccess;
};

Runtime runtime;

// Adds a node to the capture: the next one comes after it alone.
void capture_node() {
  static char nodes[64];
  static size_t num_nodes = 0;
  runtime.nodes_before[0] = reinterpret_cast<cudaGraphNode_t>(&nodes[num_nodes++]);
  runtime.num_nodes_before = 1;
}

CUresult CUDAAPI pointer_attributes(unsigned, CUpointer_attribute*, void** values, CUdeviceptr) {
  *static_cast<CUmemorytype*>(values[0]) = runtime.memory_type;
  *static_cast<int*>(values[1]) = 0;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI encode_tiled(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*,
                              const cuuint64_t*, const cuuint64_t*, const cuuint32_t*,
                              const cuuint32_t*, CUtensorMapInterleave, CUtensorMapSwizzle,
                              CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  return CUDA_SUCCESS;
}

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  ++runtime.num_counts;
  *count = runtime.count_error == cudaSuccess ? 1 : 0;
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
  *function = std::strcmp(symbol, "cuTensorMapEncodeTiled") == 0
                  ? reinterpret_cast<void*>(&encode_tiled)
                  : reinterpret_cast<void*>(&pointer_attributes);
  *result = runtime.has_driver_functions ? cudaDriverEntryPointSuccess
                                         : cudaDriverEntryPointSymbolNotFound;
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
cudaError_t cudaStreamGetDevice(cudaStream_t, int* device) {
  ++runtime.num_stream_questions;
  *device = runtime.stream_device;
  return runtime.stream_error;
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

// Not called here.
cudaError_t cudaGetDevice(int*) {
  return cudaErrorUnknown;
}
cudaError_t cudaSetDevice(int) {
  return cudaErrorUnknown;
}
cudaError_t cudaMemcpyAsync(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t) {
  return cudaErrorUnknown;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return cudaErrorUnknown;
}

}  // extern "C"

namespace {

void check_failures_are_forgotten() {
  ggfp8::DeviceInfo info;
  runtime.count_error = cudaErrorNoDevice;
  CHECK_EQ(ggfp8::query_cuda_device(0, &info), GGFP8_ERROR_NO_DRIVER);
  runtime.count_error = cudaSuccess;
  runtime.properties_error = cudaErrorDevicesUnavailable;
  CHECK_EQ(ggfp8::query_cuda_device(0, &info), GGFP8_ERROR_NO_DRIVER);
  runtime.properties_error = cudaSuccess;
  CHECK_EQ(ggfp8::query_cuda_device(0, &info), ggfp8::kSuccess);
  CHECK_EQ(info.num_processors, 7);
  CHECK_EQ(ggfp8::query_cuda_device(1, &info), GGFP8_ERROR_INVALID_DEVICE);
  CHECK_EQ(ggfp8::query_cuda_device(-1, &info), GGFP8_ERROR_INVALID_DEVICE);

  const int num_counts = runtime.num_counts, num_properties = runtime.num_properties;
  CHECK_EQ(ggfp8::query_cuda_device(0, &info), ggfp8::kSuccess);
  CHECK_EQ(runtime.num_counts, num_counts);  // facts are read once
  CHECK_EQ(runtime.num_properties, num_properties);
}

void check_pointers() {
  int32_t id = -1;
  runtime.has_driver_functions = false;
  CHECK(!ggfp8::cuda_device_of(&id, &id));
  runtime.has_driver_functions = true;
  CHECK(ggfp8::cuda_device_of(&id, &id));
  CHECK_EQ(id, 0);
  CHECK(!ggfp8::cuda_device_of(nullptr, &id));
  runtime.memory_type = CU_MEMORYTYPE_HOST;  // registered with CUDA, and of the host
  CHECK(!ggfp8::cuda_device_of(&id, &id));
}

void check_tensor_maps() {
  const ggfp8::ByteMatrices matrices = {.data = &runtime,
                                        .row_bytes = 256,
                                        .num_rows = 8,
                                        .num_matrices = 1,
                                        .row_stride = 256,
                                        .matrix_stride = 2048};
  CUtensorMap map;
  runtime.has_driver_functions = false;
  CHECK_EQ(ggfp8::encode_tensor_map(matrices, 8, &map), GGFP8_ERROR_CUDA);
  runtime.has_driver_functions = true;
  CHECK_EQ(ggfp8::encode_tensor_map(matrices, 8, &map), ggfp8::kSuccess);
  const int num_lookups = runtime.num_lookups;
  CHECK_EQ(ggfp8::encode_deep_tensor_map(matrices, 8, 2, &map), ggfp8::kSuccess);
  CHECK_EQ(runtime.num_lookups, num_lookups);  // found once, for maps of every rank
}

void check_launches() {
  ggfp8::KernelState state;
  const ggfp8::KernelLaunch launch = {.kernel = &state, .smem_bytes = 100 << 10};
  const auto enqueue = [&] { return ggfp8::launch_kernel(launch, &state, nullptr, nullptr); };
  CHECK_EQ(enqueue(), ggfp8::kSuccess);
  CHECK_EQ(enqueue(), ggfp8::kSuccess);
  CHECK_EQ(runtime.num_limits, 1);
  CHECK_EQ(runtime.num_launches, 2);

  runtime.smem_limit = kDefaultSmemBytes;  // the device was reset
  CHECK_EQ(enqueue(), ggfp8::kSuccess);
  CHECK_EQ(runtime.num_launches, 3);
  CHECK_EQ(runtime.num_limits, 2);

  runtime.launch_error = cudaErrorInvalidValue;  // for another reason: an error, after two tries
  CHECK_EQ(enqueue(), GGFP8_ERROR_CUDA);
  runtime.launch_error = cudaErrorLaunchOutOfResources;
  const int num_limits = runtime.num_limits;
  CHECK_EQ(enqueue(), GGFP8_ERROR_CUDA);
  CHECK_EQ(runtime.num_limits, num_limits);
  CHECK_EQ(runtime.num_launches, 3);
}

// A launch in the stream of another device fails, which the driver calls an invalid handle.
void check_streams_of_other_devices() {
  static ggfp8::KernelState state;
  const ggfp8::KernelLaunch launch = {.kernel = &state, .device_id = 1};
  const auto stream = reinterpret_cast<cudaStream_t>(0x7f00);
  const auto enqueue = [&](cudaStream_t on) {
    return ggfp8::launch_kernel(launch, &state, nullptr, on);
  };
  runtime = {};
  runtime.stream_device = 3;
  CHECK_EQ(enqueue(stream), ggfp8::kSuccess);
  CHECK_EQ(runtime.num_stream_questions, 0);  // a launch that succeeds asks nothing

  runtime.launch_error = cudaErrorInvalidResourceHandle;
  CHECK_EQ(enqueue(stream), GGFP8_ERROR_INVALID_DEVICE);
  CHECK(std::strstr(ggfp8::last_error(),
                    "stream: got 0x7f00, which is a stream of cuda:3, wanted one of cuda:1") !=
        nullptr);
  CHECK_EQ(runtime.num_stream_questions, 1);

  // Handles of whichever device is current, and a capture, which the question would end.
  for (cudaStream_t on : {cudaStream_t{nullptr}, cudaStreamLegacy, cudaStreamPerThread}) {
    CHECK_EQ(enqueue(on), GGFP8_ERROR_CUDA);
  }
  runtime.capture = cudaStreamCaptureStatusActive;
  CHECK_EQ(enqueue(stream), GGFP8_ERROR_CUDA);
  CHECK_EQ(runtime.num_stream_questions, 1);

  // A failure for another reason keeps its own sentence.
  runtime.capture = cudaStreamCaptureStatusNone;
  runtime.stream_device = 1;
  CHECK_EQ(enqueue(stream), GGFP8_ERROR_CUDA);
  runtime.stream_device = 3;
  runtime.stream_error = cudaErrorNotSupported;
  CHECK_EQ(enqueue(stream), GGFP8_ERROR_CUDA);
  CHECK_EQ(runtime.num_stream_questions, 3);
  CHECK(std::strstr(ggfp8::last_error(), "cudaLaunchKernelExC: an error") != nullptr);
}

void check_limit_that_cannot_be_raised() {
  ggfp8::KernelState state;
  runtime = {};
  const ggfp8::KernelLaunch launch = {.kernel = &state, .smem_bytes = 100 << 10};
  runtime.limit_error = cudaErrorInvalidValue;
  CHECK_EQ(ggfp8::launch_kernel(launch, &state, nullptr, nullptr), GGFP8_ERROR_CUDA);
  CHECK_EQ(runtime.num_attempts, 0);
  runtime.limit_error = cudaSuccess;
  CHECK_EQ(ggfp8::launch_kernel(launch, &state, nullptr, nullptr), ggfp8::kSuccess);
  CHECK_EQ(runtime.num_launches, 1);
}

// Enqueues a kernel whose code waits for the kernels before it. Returns whether the launch lets it
// begin before they have ended.
bool begins_early(ggfp8::KernelState* state) {
  const ggfp8::KernelLaunch launch = {.kernel = state, .waits_for_kernels_before = true};
  CHECK_EQ(ggfp8::launch_kernel(launch, state, nullptr, nullptr), ggfp8::kSuccess);
  return runtime.last_began_early;
}

void check_early_launches_in_streams() {
  runtime = {};
  ggfp8::KernelState state;
  CHECK(begins_early(&state));
  CHECK(begins_early(&state));
  runtime.capture_error = cudaErrorStreamCaptureImplicit;  // nothing is known of the stream
  CHECK(!begins_early(&state));

  runtime = {};
  ggfp8::KernelState of_ampere;
  runtime.code_version = 80;
  CHECK(!begins_early(&of_ampere));
  runtime.code_version = 90;
  ggfp8::KernelState not_waiting;
  const ggfp8::KernelLaunch launch = {.kernel = &not_waiting};
  CHECK_EQ(ggfp8::launch_kernel(launch, &not_waiting, nullptr, nullptr), ggfp8::kSuccess);
  CHECK(!runtime.last_began_early);
}

void check_early_launches_in_graphs() {
  runtime = {};
  runtime.capture = cudaStreamCaptureStatusActive;
  ggfp8::KernelState state;
  ggfp8::KernelState other;
  CHECK(!begins_early(&state));  // the first node
  CHECK(begins_early(&other));
  CHECK(begins_early(&state));
  capture_node();  // a kernel that is not the library's
  CHECK(!begins_early(&state));
  CHECK(begins_early(&state));
  runtime.num_nodes_before = 2;  // another stream was joined
  CHECK(!begins_early(&state));
  runtime.capture_id = 2;  // the same node before in another capture
  CHECK(!begins_early(&state));
  CHECK(begins_early(&state));
  runtime.capture = cudaStreamCaptureStatusInvalidated;
  CHECK(!begins_early(&state));
}

}  // namespace

int main() {
  check_failures_are_forgotten();
  check_pointers();
  check_tensor_maps();
  check_launches();
  check_limit_that_cannot_be_raised();
  check_streams_of_other_devices();
  check_early_launches_in_streams();
  check_early_launches_in_graphs();
  return check::report();
}
