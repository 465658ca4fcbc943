// Code of the host around CUDA's runtime, in whose place stands a double: facts about devices and
// the launch of kernels, where the runtime fails at first or the device is reset.
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "check.h"
#include "cuda/cuda_device.h"
#include "cuda/kernel_launch.h"
#include "cuda/tensor_map.h"
#include "cuda_double.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

using cuda_double::capture_node;
using cuda_double::kDefaultSmemBytes;
using cuda_double::runtime;

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

const auto kStream = reinterpret_cast<cudaStream_t>(0x7f00);

ggfp8::Status launch_on_device_one(ggfp8::KernelState* state, cudaStream_t stream) {
  const ggfp8::KernelLaunch launch = {.kernel = state, .device_id = 1};
  return ggfp8::launch_kernel(launch, state, nullptr, stream);
}

ggfp8::Status copy_on_device_one(cudaStream_t stream) {
  int32_t copied = 0;
  return ggfp8::copy_to_host(1, &copied, &copied, sizeof copied, stream);
}

// CUDA launches a kernel in the stream of another device without an error, so the stream is looked
// at before, also where the kernel has run on both devices.
void check_streams_of_other_devices() {
  static ggfp8::KernelState state;
  runtime = {};
  runtime.num_devices = 4;
  for (const auto capture : {cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive}) {
    runtime.capture = capture;
    runtime.stream_device = 1;
    CHECK_EQ(launch_on_device_one(&state, kStream), ggfp8::kSuccess);
    runtime.stream_device = 3;
    const int num_launches = runtime.num_launches;
    CHECK_EQ(launch_on_device_one(&state, kStream), GGFP8_ERROR_INVALID_DEVICE);
    CHECK(std::strstr(ggfp8::last_error(),
                      "stream: got 0x7f00, which is a stream of cuda:3, wanted one of cuda:1") !=
          nullptr);
    CHECK_EQ(copy_on_device_one(kStream), GGFP8_ERROR_INVALID_DEVICE);
    CHECK_EQ(runtime.num_launches, num_launches);
    CHECK_EQ(runtime.num_copies, 0);
  }
  CHECK_EQ(runtime.num_pushed_contexts, 0);
  runtime.capture = cudaStreamCaptureStatusNone;
  runtime.stream_device = 1;
  CHECK_EQ(copy_on_device_one(kStream), ggfp8::kSuccess);
  CHECK_EQ(runtime.num_copies, 1);
}

// Nothing is asked of a handle of whichever device is current. Where the driver does not tell a
// stream's device, the launch decides.
void check_streams_of_unknown_devices() {
  ggfp8::KernelState state;
  runtime = {};
  runtime.num_devices = 4;
  runtime.stream_device = 3;
  for (cudaStream_t on : {cudaStream_t{nullptr}, cudaStreamLegacy, cudaStreamPerThread}) {
    CHECK_EQ(launch_on_device_one(&state, on), ggfp8::kSuccess);
  }
  CHECK_EQ(runtime.num_stream_questions, 0);
  runtime.stream_error = CUDA_ERROR_NOT_SUPPORTED;
  CHECK_EQ(launch_on_device_one(&state, kStream), ggfp8::kSuccess);
  runtime.stream_error = CUDA_SUCCESS;
  runtime.context_error = CUDA_ERROR_NOT_SUPPORTED;
  CHECK_EQ(launch_on_device_one(&state, kStream), ggfp8::kSuccess);
  CHECK_EQ(runtime.num_stream_questions, 2);
  CHECK_EQ(runtime.num_pushed_contexts, 0);

  runtime.launch_error = cudaErrorInvalidResourceHandle;
  CHECK_EQ(launch_on_device_one(&state, kStream), GGFP8_ERROR_CUDA);
  CHECK(std::strstr(ggfp8::last_error(), "cudaLaunchKernelExC: an error") != nullptr);
}

// A process with one device has no stream of another. The number of devices is remembered for the
// life of a process, so this one is a child.
void check_stream_of_the_one_device() {
  const pid_t child = fork();
  if (child == 0) {
    ggfp8::KernelState state;
    runtime.stream_device = 3;
    CHECK_EQ(launch_on_device_one(&state, kStream), ggfp8::kSuccess);
    CHECK_EQ(runtime.num_stream_questions, 0);
    _exit(check::report());
  }
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
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
  check_stream_of_the_one_device();
  check_failures_are_forgotten();
  check_pointers();
  check_tensor_maps();
  check_launches();
  check_limit_that_cannot_be_raised();
  check_streams_of_other_devices();
  check_streams_of_unknown_devices();
  check_early_launches_in_streams();
  check_early_launches_in_graphs();
  return check::report();
}
