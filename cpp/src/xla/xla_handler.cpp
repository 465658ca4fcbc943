// The handlers of the product that XLA calls: one per platform, with and without a check of
// m_indptr. Each reads its call frame and makes one call of the C API.
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "groupgemm_fp8/xla.h"
#include "xla/xla_abi.h"
#include "xla/xla_call.h"
#include "xla/xla_frame.h"

namespace ggfp8::xla {
namespace {

// kFlags is that of the options.
template <uint32_t kFlags>
Status multiply(const CallFrame& frame, const Place& place) {
  Call call;
  if (Status s = read_call(frame, place, &call)) return s;
  call.options.flags = kFlags;
  const ggfp8_tensor* inputs = call.arguments;
  return ggfp8_group_gemm_nt_groupwise_tensors(
      &inputs[0], &inputs[1], &inputs[2], &inputs[3], &inputs[4], &call.results[0],
      call.has_workspace ? &call.results[1] : nullptr, &call.options, place.stream);
}

}  // namespace
}  // namespace ggfp8::xla

using namespace ggfp8::xla;

extern "C" {

void* ggfp8_xla_ffi_cpu(void* call_frame) {
  return serve(call_frame, GGFP8_DEVICE_CPU, 0, multiply<0>);
}

void* ggfp8_xla_ffi_cpu_validate(void* call_frame) {
  return serve(call_frame, GGFP8_DEVICE_CPU, 0, multiply<GGFP8_FLAG_VALIDATE_M_INDPTR>);
}

void* ggfp8_xla_ffi_cuda(void* call_frame) {
  return serve(call_frame, GGFP8_DEVICE_CUDA, kTraitCommandBufferCompatible, multiply<0>);
}

// Validation waits for the stream, which a command buffer cannot hold.
void* ggfp8_xla_ffi_cuda_validate(void* call_frame) {
  return serve(call_frame, GGFP8_DEVICE_CUDA, 0, multiply<GGFP8_FLAG_VALIDATE_M_INDPTR>);
}

}  // extern "C"
