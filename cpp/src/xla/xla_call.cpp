#include "xla/xla_call.h"

#include <cinttypes>
#include <cstring>
#include <string_view>

#include "xla/xla_dtype.h"

namespace ggfp8::xla {
namespace {

struct IntegerAttribute {
  std::string_view name;
  int32_t ggfp8_group_gemm_options::* member;
};

constexpr IntegerAttribute kIntegerAttributes[] = {
    {"a_dtype", &ggfp8_group_gemm_options::a_dtype},
    {"b_dtype", &ggfp8_group_gemm_options::b_dtype},
    {"b_scale_major", &ggfp8_group_gemm_options::b_scale_major},
    {"group_alignment", &ggfp8_group_gemm_options::group_alignment},
    {"group_layout", &ggfp8_group_gemm_options::group_layout},
    {"mma_sm", &ggfp8_group_gemm_options::mma_sm},
    {"scale_granularity_k", &ggfp8_group_gemm_options::scale_granularity_k},
    {"scale_granularity_m", &ggfp8_group_gemm_options::scale_granularity_m},
    {"scale_granularity_n", &ggfp8_group_gemm_options::scale_granularity_n},
    {"scale_major", &ggfp8_group_gemm_options::scale_major},
};

Status read_int32(std::string_view name, AttributeType type, const void* value, int32_t* result) {
  const auto* scalar = static_cast<const Scalar*>(value);
  if (type != AttributeType::kScalar || scalar->dtype != DataType::kInt32) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT, "%.*s: got another type, wanted an int32 attribute",
                static_cast<int>(name.size()), name.data());
  }
  std::memcpy(result, scalar->value, sizeof *result);
  return kSuccess;
}

Status read_integer(std::string_view name, AttributeType type, const void* value, Call* call) {
  if (name == "b_has_swapped_axes") {
    return read_int32(name, type, value, &call->b_has_swapped_axes);
  }
  if (name == "expected_m") {
    int32_t expected_m = 0;
    if (Status s = read_int32(name, type, value, &expected_m)) return s;
    call->options.expected_m = expected_m;
    return kSuccess;
  }
  for (const IntegerAttribute& attribute : kIntegerAttributes) {
    if (attribute.name != name) continue;
    return read_int32(name, type, value, &(call->options.*attribute.member));
  }
  return fail(GGFP8_ERROR_INVALID_ARGUMENT, "%.*s: got an attribute that is not known",
              static_cast<int>(name.size()), name.data());
}

Status read_backend(AttributeType type, const void* value, Call* call) {
  const auto* name = static_cast<const ByteSpan*>(value);
  if (type != AttributeType::kString || name->size >= kBackendBytes) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "backend: got another type or a long text, wanted a string of at most %zu bytes",
                kBackendBytes - 1);
  }
  if (name->size == 0) return kSuccess;
  std::memcpy(call->backend, name->data, name->size);
  call->options.backend = call->backend;
  return kSuccess;
}

Status read_attributes(const Attributes& attributes, Call* call) {
  for (int64_t i = 0; i < attributes.size; ++i) {
    const std::string_view name(attributes.names[i]->data, attributes.names[i]->size);
    const Status status = name == "backend"
                              ? read_backend(attributes.types[i], attributes.values[i], call)
                              : read_integer(name, attributes.types[i], attributes.values[i], call);
    if (status != kSuccess) return status;
  }
  return kSuccess;
}

Status check_counts(const Values& arguments, const Values& results) {
  if (arguments.size != kNumArguments || results.size < 1 || results.size > kMaxResults) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "call: got %" PRId64 " arguments and %" PRId64
                " results, wanted a, b, a_scale, b_scale, the group array and out with or "
                "without workspace",
                arguments.size, results.size);
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

Status describe(const char* name, const Values& values, int idx, ggfp8_tensor* tensor) {
  const Buffer& buffer = *static_cast<const Buffer*>(values.values[idx]);
  const DtypePair* dtype = find_dtype(buffer.dtype);
  if (dtype == nullptr) {
    return fail(GGFP8_ERROR_INVALID_DTYPE, "%s: got XLA type %d, wanted one of whole bytes", name,
                static_cast<int>(buffer.dtype));
  }
  tensor->data = buffer.data;
  tensor->ndim = static_cast<int32_t>(buffer.rank);
  tensor->dtype_code = dtype->dlpack_code;
  tensor->dtype_bits = dtype->bits;
  tensor->dtype_lanes = 1;
  tensor->shape = buffer.dims;
  return kSuccess;
}

// The memory of a b with swapped axes is that of a dense (batch_size, n, k). Another rank than
// three is for the C API to refuse.
void swap_axes_of_b(Call* call) {
  ggfp8_tensor& b = call->arguments[1];
  if (b.ndim != 3) return;
  const int64_t swapped[] = {b.shape[0], b.shape[2], b.shape[1]};
  std::memcpy(call->b_shape, swapped, sizeof swapped);
  b.shape = call->b_shape;
}

constexpr const char* kArgumentNames[kNumArguments] = {"a", "b", "a_scale", "b_scale", "groups"};
constexpr const char* kResultNames[kMaxResults] = {"out", "workspace"};

}  // namespace

Status read_call(const CallFrame& frame, int32_t device_type, int32_t device_id,
                 Call* call) noexcept {
  if (Status s = check_counts(frame.arguments, frame.results)) return s;
  if (Status s = read_attributes(frame.attributes, call)) return s;
  for (int i = 0; i < kNumArguments; ++i) {
    call->arguments[i].device_type = device_type;
    call->arguments[i].device_id = device_id;
    if (Status s = describe(kArgumentNames[i], frame.arguments, i, &call->arguments[i])) return s;
  }
  if (call->b_has_swapped_axes != 0) swap_axes_of_b(call);
  for (int i = 0; i < frame.results.size; ++i) {
    call->results[i].device_type = device_type;
    call->results[i].device_id = device_id;
    if (Status s = describe(kResultNames[i], frame.results, i, &call->results[i])) return s;
  }
  call->has_workspace = frame.results.size == kMaxResults;
  return kSuccess;
}

}  // namespace ggfp8::xla
