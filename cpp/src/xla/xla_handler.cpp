// The handlers that XLA calls: one per platform, with and without a check of m_indptr. Each reads
// its call frame, makes one call of the C API and turns a status into an error of XLA.
#include "groupgemm_fp8/xla.h"

#include "groupgemm_fp8/groupgemm_fp8.h"
#include "xla/xla_abi.h"
#include "xla/xla_call.h"

namespace ggfp8::xla {
namespace {

// Before it registers a handler XLA calls it with this extension, and with nothing to compute.
bool answer_metadata(const CallFrame& frame, uint32_t traits) {
  if (frame.extensions == nullptr || frame.extensions->type != ExtensionType::kMetadata) {
    return false;
  }
  Metadata* metadata = reinterpret_cast<MetadataExtension*>(frame.extensions)->metadata;
  metadata->api_version = {sizeof(ApiVersion), nullptr, kApiMajor, kApiMinor};
  metadata->traits = traits;
  return true;
}

ErrorCode code_of(Status status) {
  if (status < GGFP8_ERROR_UNKNOWN_BACKEND) return ErrorCode::kInvalidArgument;
  if (status < GGFP8_ERROR_NO_DRIVER) return ErrorCode::kUnimplemented;
  if (status == GGFP8_ERROR_NO_DRIVER) return ErrorCode::kUnavailable;
  if (status == GGFP8_ERROR_OUT_OF_HOST_MEMORY) return ErrorCode::kResourceExhausted;
  return ErrorCode::kInternal;
}

// The error of XLA for a status, or nullptr for success.
Error* error_of(const CallFrame& frame, Status status) {
  if (status == kSuccess) return nullptr;
  CreateErrorArgs args = {sizeof args, nullptr, last_error(), code_of(status)};
  return frame.api->create_error(&args);
}

Error* read_device_ordinal(const CallFrame& frame, int32_t* ordinal) {
  const size_t needed = offsetof(Api, get_device_ordinal) + sizeof(Api::get_device_ordinal);
  if (frame.api->struct_size < needed) {
    return error_of(frame, fail(GGFP8_ERROR_UNSUPPORTED,
                                "jaxlib: got XLA FFI version %d.%d, which cannot tell the CUDA "
                                "device of a call, wanted jaxlib 0.6.2 or later",
                                frame.api->version.major, frame.api->version.minor));
  }
  GetDeviceOrdinalArgs args = {sizeof args, nullptr, frame.context, 0};
  Error* error = frame.api->get_device_ordinal(&args);
  *ordinal = args.device_ordinal;
  return error;
}

Error* read_stream(const CallFrame& frame, void** stream) {
  GetStreamArgs args = {sizeof args, nullptr, frame.context, nullptr};
  Error* error = frame.api->get_stream(&args);
  *stream = args.stream;
  return error;
}

// kTraits is what XLA may do with the handler, kFlags those of the options.
template <int32_t kDeviceType, uint32_t kTraits, uint32_t kFlags>
void* handle(void* call_frame) noexcept {
  const CallFrame& frame = *static_cast<const CallFrame*>(call_frame);
  if (answer_metadata(frame, kTraits)) return nullptr;
  int32_t device_id = 0;
  void* stream = nullptr;
  if constexpr (kDeviceType == GGFP8_DEVICE_CUDA) {
    if (Error* error = read_device_ordinal(frame, &device_id)) return error;
    if (Error* error = read_stream(frame, &stream)) return error;
  }
  Call call;
  if (Status s = read_call(frame, kDeviceType, device_id, &call)) return error_of(frame, s);
  call.options.flags = kFlags;
  const ggfp8_tensor* inputs = call.arguments;
  return error_of(frame,
                  ggfp8_group_gemm_nt_groupwise_tensors(
                      &inputs[0], &inputs[1], &inputs[2], &inputs[3], &inputs[4], &call.results[0],
                      call.has_workspace ? &call.results[1] : nullptr, &call.options, stream));
}

}  // namespace
}  // namespace ggfp8::xla

using namespace ggfp8::xla;

extern "C" {

void* ggfp8_xla_ffi_cpu(void* call_frame) {
  return handle<GGFP8_DEVICE_CPU, 0, 0>(call_frame);
}

void* ggfp8_xla_ffi_cpu_validate(void* call_frame) {
  return handle<GGFP8_DEVICE_CPU, 0, GGFP8_FLAG_VALIDATE_M_INDPTR>(call_frame);
}

void* ggfp8_xla_ffi_cuda(void* call_frame) {
  return handle<GGFP8_DEVICE_CUDA, kTraitCommandBufferCompatible, 0>(call_frame);
}

// Validation waits for the stream, which a command buffer cannot hold.
void* ggfp8_xla_ffi_cuda_validate(void* call_frame) {
  return handle<GGFP8_DEVICE_CUDA, 0, GGFP8_FLAG_VALIDATE_M_INDPTR>(call_frame);
}

}  // extern "C"
