#include "xla/xla_call.h"

#include <cstring>
#include <iterator>
#include <string_view>

#include "xla/xla_attributes.h"

namespace ggfp8::xla {
namespace {

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
  ggfp8_group_gemm_options& options = call->options;
  int32_t expected_m = 0;  // an int64_t in the options
  const NumberAttribute numbers[] = {
      number("a_dtype", &options.a_dtype),
      number("b_dtype", &options.b_dtype),
      number("b_has_swapped_axes", &call->b_has_swapped_axes),
      number("b_scale_major", &options.b_scale_major),
      number("expected_m", &expected_m),
      number("group_alignment", &options.group_alignment),
      number("group_layout", &options.group_layout),
      number("mma_sm", &options.mma_sm),
      number("scale_granularity_k", &options.scale_granularity_k),
      number("scale_granularity_m", &options.scale_granularity_m),
      number("scale_granularity_n", &options.scale_granularity_n),
      number("scale_major", &options.scale_major),
  };
  for (int64_t i = 0; i < attributes.size; ++i) {
    const std::string_view name(attributes.names[i]->data, attributes.names[i]->size);
    const Status status = name == "backend"
                              ? read_backend(attributes.types[i], attributes.values[i], call)
                              : read_number(attributes, i, numbers, std::size(numbers));
    if (status != kSuccess) return status;
  }
  options.expected_m = expected_m;
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

Status read_call(const CallFrame& frame, const Place& place, Call* call) noexcept {
  const char* wanted = "a, b, a_scale, b_scale, the group array and out with or without workspace";
  const Values &arguments = frame.arguments, &results = frame.results;
  if (Status s = check_counts(frame, kNumArguments, 1, kMaxResults, wanted)) return s;
  if (Status s = read_attributes(frame.attributes, call)) return s;
  for (int i = 0; i < kNumArguments; ++i) {
    if (Status s = describe(kArgumentNames[i], arguments, i, place, &call->arguments[i])) return s;
  }
  if (call->b_has_swapped_axes != 0) swap_axes_of_b(call);
  for (int i = 0; i < results.size; ++i) {
    if (Status s = describe(kResultNames[i], results, i, place, &call->results[i])) return s;
  }
  call->has_workspace = results.size == kMaxResults;
  return kSuccess;
}

}  // namespace ggfp8::xla
