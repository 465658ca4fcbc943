// The CUDA layer of a build without CUDA: every question is answered with that reason.
#include "cuda/cuda_device.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {
namespace {

Status refuse_cuda() noexcept {
  return fail(GGFP8_ERROR_NO_DRIVER,
              "device_type: got CUDA, wanted CPU: this library was built without CUDA");
}

}  // namespace

Status count_cuda_devices(int32_t* count) noexcept {
  *count = 0;
  return refuse_cuda();
}

Status query_cuda_device(int32_t, DeviceInfo*) noexcept {
  return refuse_cuda();
}

bool cuda_device_of(const void*, int32_t*) noexcept {
  return false;
}

Status copy_to_host(int32_t, void*, const void*, size_t, void*) noexcept {
  return refuse_cuda();
}

}  // namespace ggfp8
