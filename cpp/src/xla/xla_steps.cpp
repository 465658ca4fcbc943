// The handlers of the steps around the product (moe.h) that XLA calls, one per step and platform.
// Each describes the arrays of its call frame and makes one call of the C API.
#include "groupgemm_fp8/moe.h"
#include "groupgemm_fp8/xla.h"
#include "xla/xla_abi.h"
#include "xla/xla_attributes.h"
#include "xla/xla_frame.h"

namespace ggfp8::xla {
namespace {

constexpr int kMaxNames = 4;

// Describes arguments or results in the order of their names.
template <int kNum>
Status describe_all(const char* const (&names)[kNum], const Values& values, const Place& place,
                    ggfp8_tensor* tensors) {
  static_assert(kNum <= kMaxNames);
  for (int i = 0; i < kNum && i < values.size; ++i) {
    if (Status s = describe(names[i], values, i, place, &tensors[i])) return s;
  }
  return kSuccess;
}

uint32_t scale_flags(int32_t power_of_two_scales) {
  return power_of_two_scales != 0 ? GGFP8_FLAG_POWER_OF_TWO_SCALES : 0u;
}

Status quantize(const CallFrame& frame, const Place& place) {
  ggfp8_quantize_groupwise_options options = GGFP8_QUANTIZE_GROUPWISE_OPTIONS_INIT;
  int32_t scatters = 0, power_of_two_scales = 0;
  const NumberAttribute known[] = {
      number("block_rows", &options.block_rows), number("block_k", &options.block_k),
      number("scale_major", &options.scale_major), number("scatters", &scatters),
      number("power_of_two_scales", &power_of_two_scales)};
  if (Status s = read_numbers(frame.attributes, known)) return s;
  options.flags = scale_flags(power_of_two_scales);
  const bool has_indices = frame.arguments.size == 2;
  if (Status s = check_counts(frame, has_indices ? 2 : 1, 2, 2,
                              "x with or without row_index or position, and out and out_scale")) {
    return s;
  }
  const char* const names[] = {"x", scatters != 0 ? "position" : "row_index"};
  ggfp8_tensor arguments[2], results[2];
  if (Status s = describe_all(names, frame.arguments, place, arguments)) return s;
  if (Status s = describe_all({"out", "out_scale"}, frame.results, place, results)) return s;
  const ggfp8_tensor* indices = has_indices ? &arguments[1] : nullptr;
  return ggfp8_quantize_groupwise_tensors(&arguments[0], scatters != 0 ? nullptr : indices,
                                          scatters != 0 ? indices : nullptr, &results[0],
                                          &results[1], &options, place.stream);
}

Status silu_mul_quantize(const CallFrame& frame, const Place& place) {
  ggfp8_silu_mul_quantize_groupwise_options options =
      GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_OPTIONS_INIT;
  int32_t power_of_two_scales = 0;
  const NumberAttribute known[] = {number("limit", &options.limit), number("alpha", &options.alpha),
                                   number("block_k", &options.block_k),
                                   number("scale_major", &options.scale_major),
                                   number("power_of_two_scales", &power_of_two_scales)};
  if (Status s = read_numbers(frame.attributes, known)) return s;
  options.flags = scale_flags(power_of_two_scales);
  const bool has_groups = frame.arguments.size == 2;
  if (Status s = check_counts(frame, has_groups ? 2 : 1, 2, 2,
                              "gate_up with or without m_indptr, and out and out_scale")) {
    return s;
  }
  ggfp8_tensor arguments[2], results[2];
  if (Status s = describe_all({"gate_up", "m_indptr"}, frame.arguments, place, arguments)) return s;
  if (Status s = describe_all({"out", "out_scale"}, frame.results, place, results)) return s;
  return ggfp8_silu_mul_quantize_groupwise_tensors(
      &arguments[0], has_groups ? &arguments[1] : nullptr, &results[0], &results[1], &options,
      place.stream);
}

Status route(const CallFrame& frame, const Place& place) {
  if (Status s = check_counts(frame, 1, 3, 4,
                              "top_k_index, and row_index, position and m_indptr with or without "
                              "workspace")) {
    return s;
  }
  ggfp8_tensor index, results[4];
  if (Status s = describe("top_k_index", frame.arguments, 0, place, &index)) return s;
  const char* const names[] = {"row_index", "position", "m_indptr", "workspace"};
  if (Status s = describe_all(names, frame.results, place, results)) return s;
  const bool has_workspace = frame.results.size == 4;
  return ggfp8_route_tensors(&index, &results[0], &results[1], &results[2],
                             has_workspace ? &results[3] : nullptr, 0, place.stream);
}

Status combine(const CallFrame& frame, const Place& place) {
  if (Status s = check_counts(frame, 3, 1, 1, "x, position and weight, and out")) return s;
  ggfp8_tensor arguments[3], out;
  if (Status s = describe_all({"x", "position", "weight"}, frame.arguments, place, arguments)) {
    return s;
  }
  if (Status s = describe("out", frame.results, 0, place, &out)) return s;
  return ggfp8_combine_tensors(&arguments[0], &arguments[1], &arguments[2], &out, 0, place.stream);
}

void* serve_cpu(void* call_frame, Run run) {
  return serve(call_frame, GGFP8_DEVICE_CPU, 0, run);
}

void* serve_cuda(void* call_frame, Run run) {
  return serve(call_frame, GGFP8_DEVICE_CUDA, kTraitCommandBufferCompatible, run);
}

}  // namespace
}  // namespace ggfp8::xla

using namespace ggfp8::xla;

extern "C" {

void* ggfp8_xla_ffi_quantize_groupwise_cpu(void* call_frame) {
  return serve_cpu(call_frame, quantize);
}

void* ggfp8_xla_ffi_quantize_groupwise_cuda(void* call_frame) {
  return serve_cuda(call_frame, quantize);
}

void* ggfp8_xla_ffi_silu_mul_quantize_groupwise_cpu(void* call_frame) {
  return serve_cpu(call_frame, silu_mul_quantize);
}

void* ggfp8_xla_ffi_silu_mul_quantize_groupwise_cuda(void* call_frame) {
  return serve_cuda(call_frame, silu_mul_quantize);
}

void* ggfp8_xla_ffi_route_cpu(void* call_frame) {
  return serve_cpu(call_frame, route);
}

void* ggfp8_xla_ffi_route_cuda(void* call_frame) {
  return serve_cuda(call_frame, route);
}

void* ggfp8_xla_ffi_combine_cpu(void* call_frame) {
  return serve_cpu(call_frame, combine);
}

void* ggfp8_xla_ffi_combine_cuda(void* call_frame) {
  return serve_cuda(call_frame, combine);
}

}  // extern "C"
