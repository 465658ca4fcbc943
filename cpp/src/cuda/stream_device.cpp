#include "cuda/stream_device.h"

#include <cuda.h>

#include "core/remembered.h"
#include "cuda/cuda_device.h"
#include "cuda/driver_function.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {
namespace {

// Questions of the driver, as they were in CUDA 9.2.
struct StreamQuestions {
  CUresult(CUDAAPI* get_context)(CUstream, CUcontext*) = nullptr;
  CUresult(CUDAAPI* push_context)(CUcontext) = nullptr;
  CUresult(CUDAAPI* pop_context)(CUcontext*) = nullptr;
  CUresult(CUDAAPI* get_device)(CUdevice*) = nullptr;  // of the context that is current
};

template <class Function>
bool find(const char* name, Function* found) noexcept {
  constexpr unsigned kVersion = 9020;
  *found = reinterpret_cast<Function>(find_driver_function(name, kVersion));
  return *found != nullptr;
}

Status find_questions(StreamQuestions* found) noexcept {
  const bool has_all = find("cuStreamGetCtx", &found->get_context) &&
                       find("cuCtxPushCurrent", &found->push_context) &&
                       find("cuCtxPopCurrent", &found->pop_context) &&
                       find("cuCtxGetDevice", &found->get_device);
  return has_all ? kSuccess : GGFP8_ERROR_NO_DRIVER;
}

Remembered<int32_t> known_count;
Remembered<StreamQuestions> known_questions;

bool has_several_devices() noexcept {
  int32_t count = 0;
  return known_count.get(count_cuda_devices, &count) == kSuccess && count > 1;
}

// Returns whether the driver tells a stream's device. NOTE: cudaStreamGetDevice and
// cuStreamGetDevice would end a capture of the stream; the question for its context does not.
bool find_device(cudaStream_t stream, int* device) noexcept {
  StreamQuestions driver;
  CUcontext context = nullptr;
  if (known_questions.get(find_questions, &driver) != kSuccess ||
      driver.get_context(stream, &context) != CUDA_SUCCESS ||
      driver.push_context(context) != CUDA_SUCCESS) {
    return false;
  }
  const bool is_known = driver.get_device(device) == CUDA_SUCCESS;
  (void)driver.pop_context(&context);
  return is_known;
}

}  // namespace

Status check_stream_device(int32_t device_id, cudaStream_t stream) noexcept {
  // These handles name a stream of whichever device is current.
  const bool follows_device =
      stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
  int stream_device = device_id;
  if (follows_device || !has_several_devices() || !find_device(stream, &stream_device) ||
      stream_device == device_id) {
    return kSuccess;
  }
  return fail(GGFP8_ERROR_INVALID_DEVICE,
              "stream: got %p, which is a stream of cuda:%d, wanted one of cuda:%d like the arrays",
              static_cast<void*>(stream), stream_device, device_id);
}

}  // namespace ggfp8
