#include "xla/xla_frame.h"

#include <cinttypes>
#include <cstddef>
#include <initializer_list>

#include "xla/xla_dtype.h"

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

}  // namespace

void* serve(void* call_frame, int32_t device_type, uint32_t traits, Run run) noexcept {
  const CallFrame& frame = *static_cast<const CallFrame*>(call_frame);
  if (answer_metadata(frame, traits)) return nullptr;
  Place place = {device_type, 0, nullptr};
  if (device_type == GGFP8_DEVICE_CUDA) {
    if (Error* error = read_device_ordinal(frame, &place.device_id)) return error;
    if (Error* error = read_stream(frame, &place.stream)) return error;
  }
  return error_of(frame, run(frame, place));
}

Status check_counts(const CallFrame& frame, int64_t num_arguments, int64_t least, int64_t most,
                    const char* wanted) noexcept {
  const Values &arguments = frame.arguments, &results = frame.results;
  if (arguments.size != num_arguments || results.size < least || results.size > most) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "call: got %" PRId64 " arguments and %" PRId64 " results, wanted %s",
                arguments.size, results.size, wanted);
  }
  for (const Values* values : {&arguments, &results}) {
    for (int64_t i = 0; i < values->size; ++i) {
      if (values->types[i] == ValueType::kBuffer) continue;
      return fail(GGFP8_ERROR_INVALID_ARGUMENT, "call: got a value of type %d, wanted arrays",
                  static_cast<int>(values->types[i]));
    }
  }
  return kSuccess;
}

Status describe(const char* name, const Values& values, int idx, const Place& place,
                ggfp8_tensor* tensor) noexcept {
  const Buffer& buffer = *static_cast<const Buffer*>(values.values[idx]);
  const DtypePair* dtype = find_dtype(buffer.dtype);
  if (dtype == nullptr) {
    return fail(GGFP8_ERROR_INVALID_DTYPE, "%s: got XLA type %d, wanted one of whole bytes", name,
                static_cast<int>(buffer.dtype));
  }
  *tensor = {};
  tensor->device_type = place.device_type;
  tensor->device_id = place.device_id;
  tensor->data = buffer.data;
  tensor->ndim = static_cast<int32_t>(buffer.rank);
  tensor->dtype_code = dtype->dlpack_code;
  tensor->dtype_bits = dtype->bits;
  tensor->dtype_lanes = 1;
  tensor->shape = buffer.dims;
  return kSuccess;
}

}  // namespace ggfp8::xla
