#include "cuda/cuda_device.h"

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <array>
#include <cstdio>

#include "core/math.h"
#include "core/remembered.h"
#include "cuda/cuda_status.h"
#include "cuda/device_guard.h"
#include "cuda/driver_function.h"
#include "cuda/stream_device.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {
namespace {

constexpr int32_t kMaxDevices = 128;

cudaError_t read_attribute(cudaDeviceAttr attribute, int id, int64_t* value) {
  int result = 0;
  const cudaError_t error = cudaDeviceGetAttribute(&result, attribute, id);
  *value = result;
  return error;
}

cudaError_t read_device(int id, DeviceInfo* info) {
  cudaDeviceProp properties;
  if (cudaError_t error = cudaGetDeviceProperties(&properties, id)) return error;
  info->type = DeviceType::kCuda;
  info->id = id;
  std::snprintf(info->name, sizeof info->name, "%s", properties.name);
  info->compute_major = properties.major;
  info->compute_minor = properties.minor;
  info->num_processors = properties.multiProcessorCount;
  info->l2_bytes = properties.l2CacheSize;
  if (cudaError_t error = read_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, id,
                                         &info->max_smem_bytes_per_cta)) {
    return error;
  }
  return read_attribute(cudaDevAttrMaxSharedMemoryPerMultiprocessor, id, &info->smem_bytes_per_sm);
}

using PointerGetAttributes = decltype(&cuPointerGetAttributes);

// The driver's function, because the runtime's own question about pointers would make a context.
Status find_pointer_get_attributes(PointerGetAttributes* found) noexcept {
  *found =
      reinterpret_cast<PointerGetAttributes>(find_driver_function("cuPointerGetAttributes", 7000));
  return *found != nullptr ? kSuccess : GGFP8_ERROR_NO_DRIVER;
}

Remembered<int32_t> known_count;
std::array<Remembered<DeviceInfo>, kMaxDevices> known_devices;
Remembered<PointerGetAttributes> known_pointer_get_attributes;

}  // namespace

Status count_cuda_devices(int32_t* count) noexcept {
  *count = 0;
  int driver_version = 0;
  if (cudaDriverGetVersion(&driver_version) == cudaSuccess && driver_version == 0) {
    return fail(GGFP8_ERROR_NO_DRIVER,
                "device_type: got CUDA, wanted CPU: no CUDA driver is installed on this machine");
  }
  const cudaError_t error = cudaGetDeviceCount(count);
  if (error == cudaSuccess) return kSuccess;
  (void)cudaGetLastError();
  return fail(GGFP8_ERROR_NO_DRIVER,
              "device_type: got CUDA, wanted CPU: cudaGetDeviceCount: %s: %s",
              cudaGetErrorName(error), cudaGetErrorString(error));
}

Status query_cuda_device(int32_t id, DeviceInfo* info) noexcept {
  int32_t count = 0;
  if (Status s = known_count.get(count_cuda_devices, &count)) return s;
  count = min_of(count, kMaxDevices);
  if (id < 0 || id >= count) {
    return fail(GGFP8_ERROR_INVALID_DEVICE, "device_id: got %d, wanted 0 to %d", id, count - 1);
  }
  const auto read = [&](DeviceInfo* device) {
    return check_cuda(read_device(id, device), "cudaGetDeviceProperties");
  };
  return known_devices[static_cast<size_t>(id)].get(read, info);
}

bool cuda_device_of(const void* pointer, int32_t* id) noexcept {
  if (pointer == nullptr) return false;
  PointerGetAttributes get_attributes = nullptr;
  if (known_pointer_get_attributes.get(find_pointer_get_attributes, &get_attributes)) return false;
  CUmemorytype memory_type = CU_MEMORYTYPE_HOST;
  int ordinal = -1;
  unsigned is_managed = 0;
  CUpointer_attribute attributes[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                      CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
                                      CU_POINTER_ATTRIBUTE_IS_MANAGED};
  void* values[] = {&memory_type, &ordinal, &is_managed};
  // A pointer that CUDA does not know is no error here: its values are zeros.
  const CUresult result =
      get_attributes(3, attributes, values, reinterpret_cast<CUdeviceptr>(pointer));
  const bool on_device = memory_type == CU_MEMORYTYPE_DEVICE || is_managed != 0;
  if (result != CUDA_SUCCESS || !on_device || ordinal < 0) return false;
  *id = ordinal;
  return true;
}

Status copy_to_host(int32_t device_id, void* destination, const void* source, size_t bytes,
                    void* stream) noexcept {
  DeviceGuard guard(device_id);
  if (guard.status() != kSuccess) return guard.status();
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  if (Status s = check_stream_device(device_id, cuda_stream)) return s;
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  if (Status s =
          check_cuda(cudaStreamIsCapturing(cuda_stream, &capture), "cudaStreamIsCapturing")) {
    return s;
  }
  if (capture != cudaStreamCaptureStatusNone) {
    return fail(
        GGFP8_ERROR_INVALID_ARGUMENT,
        "flags: got GGFP8_FLAG_VALIDATE_M_INDPTR while the stream is being captured, wanted "
        "it unset, because the check must wait for the stream");
  }
  if (Status s = check_cuda(
          cudaMemcpyAsync(destination, source, bytes, cudaMemcpyDeviceToHost, cuda_stream),
          "cudaMemcpyAsync")) {
    return s;
  }
  return check_cuda(cudaStreamSynchronize(cuda_stream), "cudaStreamSynchronize");
}

}  // namespace ggfp8
