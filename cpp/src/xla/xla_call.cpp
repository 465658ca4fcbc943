#include "xla/xla_call.h"

#include <cinttypes>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "core/array_args.h"

namespace ggfp8::xla {
namespace {

struct IntegerAttribute {
  std::string_view name;
  int32_t ggfp8_group_gemm_args::* member;
};

constexpr IntegerAttribute kIntegerAttributes[] = {
    {"mma_sm", &ggfp8_group_gemm_args::mma_sm},
    {"scale_granularity_k", &ggfp8_group_gemm_args::scale_granularity_k},
    {"scale_granularity_m", &ggfp8_group_gemm_args::scale_granularity_m},
    {"scale_granularity_n", &ggfp8_group_gemm_args::scale_granularity_n},
    {"scale_major", &ggfp8_group_gemm_args::scale_major},
};

Status read_integer(std::string_view name, AttributeType type, const void* value,
                    ggfp8_group_gemm_args* args) {
  for (const IntegerAttribute& attribute : kIntegerAttributes) {
    if (attribute.name != name) continue;
    const auto* scalar = static_cast<const Scalar*>(value);
    if (type != AttributeType::kScalar || scalar->dtype != DataType::kInt32) {
      return fail(GGFP8_ERROR_INVALID_ARGUMENT, "%.*s: got another type, wanted an int32 attribute",
                  static_cast<int>(name.size()), name.data());
    }
    std::memcpy(&(args->*attribute.member), scalar->value, sizeof(int32_t));
    return kSuccess;
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
  call->args.backend = call->backend;
  return kSuccess;
}

Status read_attributes(const Attributes& attributes, Call* call) {
  for (int64_t i = 0; i < attributes.size; ++i) {
    const std::string_view name(attributes.names[i]->data, attributes.names[i]->size);
    const Status status =
        name == "backend"
            ? read_backend(attributes.types[i], attributes.values[i], call)
            : read_integer(name, attributes.types[i], attributes.values[i], &call->args);
    if (status != kSuccess) return status;
  }
  return kSuccess;
}

constexpr int64_t kNumArguments = 5;

Status check_counts(const Values& arguments, const Values& results) {
  if (arguments.size != kNumArguments || results.size < 1 || results.size > 2) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "call: got %" PRId64 " arguments and %" PRId64
                " results, wanted a, b, a_scale, b_scale, m_indptr and out with or without "
                "workspace",
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

const Buffer& buffer_at(const Values& values, int idx) {
  return *static_cast<const Buffer*>(values.values[idx]);
}

Status check_rank(const char* name, const Buffer& buffer, int64_t rank) {
  if (buffer.rank == rank) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_SHAPE, "%s: got %" PRId64 " axes, wanted %" PRId64, name,
              buffer.rank, rank);
}

void append_shape(const int64_t* dims, size_t rank, Message* text) {
  for (size_t i = 0; i < rank; ++i) text->append("%s%" PRId64, i == 0 ? "(" : ", ", dims[i]);
  text->append(rank == 1 ? ",)" : ")");
}

Status check_shape(const char* name, const Buffer& buffer, std::initializer_list<int64_t> wanted) {
  if (Status s = check_rank(name, buffer, static_cast<int64_t>(wanted.size()))) return s;
  const size_t bytes = wanted.size() * sizeof(int64_t);
  if (std::memcmp(buffer.dims, wanted.begin(), bytes) == 0) return kSuccess;
  Message got_text, wanted_text;
  append_shape(buffer.dims, wanted.size(), &got_text);
  append_shape(wanted.begin(), wanted.size(), &wanted_text);
  return fail(GGFP8_ERROR_INVALID_SHAPE, "%s: got shape %s, wanted %s", name, got_text.text,
              wanted_text.text);
}

Status check_dtype(const char* name, const Buffer& buffer, DataType wanted) {
  if (buffer.dtype == wanted) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_DTYPE, "%s: got XLA type %d, wanted %d", name,
              static_cast<int>(buffer.dtype), static_cast<int>(wanted));
}

Status read_fp8_dtype(const char* name, const Buffer& buffer, int32_t* code) {
  switch (buffer.dtype) {
    case DataType::kFloat8E4m3fn: *code = GGFP8_DTYPE_FLOAT8_E4M3FN; return kSuccess;
    case DataType::kFloat8E5m2: *code = GGFP8_DTYPE_FLOAT8_E5M2; return kSuccess;
    default:
      return fail(GGFP8_ERROR_INVALID_DTYPE,
                  "%s: got XLA type %d, wanted float8_e4m3fn or float8_e5m2", name,
                  static_cast<int>(buffer.dtype));
  }
}

Status read_out_dtype(const Buffer& buffer, int32_t* code) {
  switch (buffer.dtype) {
    case DataType::kBfloat16: *code = GGFP8_DTYPE_BFLOAT16; return kSuccess;
    case DataType::kFloat16: *code = GGFP8_DTYPE_FLOAT16; return kSuccess;
    case DataType::kFloat32: *code = GGFP8_DTYPE_FLOAT32; return kSuccess;
    default:
      return fail(GGFP8_ERROR_INVALID_DTYPE,
                  "out: got XLA type %d, wanted bfloat16, float16 or float32",
                  static_cast<int>(buffer.dtype));
  }
}

Status read_inputs(const Values& values, ggfp8_group_gemm_args* args) {
  const Buffer &a = buffer_at(values, 0), &b = buffer_at(values, 1);
  if (Status s = check_rank("a", a, 2)) return s;
  if (Status s = check_rank("b", b, 3)) return s;
  if (Status s = read_fp8_dtype("a", a, &args->a_dtype)) return s;
  if (Status s = read_fp8_dtype("b", b, &args->b_dtype)) return s;
  args->a = a.data;
  args->b = b.data;
  args->cum_m = a.dims[0];
  args->k = a.dims[1];
  args->batch_size = b.dims[0];
  args->n = b.dims[1];
  return check_shape("b", b, {args->batch_size, args->n, args->k});
}

Status read_scales(const Values& values, ggfp8_group_gemm_args* args) {
  const Buffer &a_scale = buffer_at(values, 2), &b_scale = buffer_at(values, 3);
  if (Status s = check_dtype("a_scale", a_scale, DataType::kFloat32)) return s;
  if (Status s = check_dtype("b_scale", b_scale, DataType::kFloat32)) return s;
  args->a_scale = static_cast<const float*>(a_scale.data);
  args->b_scale = static_cast<const float*>(b_scale.data);
  const auto [mb, nb, kb] = scale_blocks(*args);
  if (args->scale_major == GGFP8_SCALE_MAJOR_K) {
    if (Status s = check_shape("a_scale", a_scale, {mb, kb})) return s;
    return check_shape("b_scale", b_scale, {args->batch_size, nb, kb});
  }
  if (Status s = check_shape("a_scale", a_scale, {kb, mb})) return s;
  return check_shape("b_scale", b_scale, {args->batch_size, kb, nb});
}

Status read_workspace(const Buffer& buffer, Call* call) {
  if (Status s = check_dtype("workspace", buffer, DataType::kUint8)) return s;
  if (Status s = check_rank("workspace", buffer, 1)) return s;
  const auto [data, bytes] = aligned_workspace(buffer.data, static_cast<size_t>(buffer.dims[0]));
  call->workspace = data;
  call->workspace_bytes = bytes;
  return kSuccess;
}

}  // namespace

Status read_call(const CallFrame& frame, Call* call) noexcept {
  const Values &inputs = frame.arguments, &outputs = frame.results;
  ggfp8_group_gemm_args* args = &call->args;
  if (Status s = check_counts(inputs, outputs)) return s;
  if (Status s = read_attributes(frame.attributes, call)) return s;
  if (Status s = read_inputs(inputs, args)) return s;
  if (Status s = read_scales(inputs, args)) return s;

  const Buffer &m_indptr = buffer_at(inputs, 4), &out = buffer_at(outputs, 0);
  if (Status s = check_dtype("m_indptr", m_indptr, DataType::kInt32)) return s;
  if (Status s = check_shape("m_indptr", m_indptr, {args->batch_size + 1})) return s;
  args->m_indptr = static_cast<const int32_t*>(m_indptr.data);
  if (Status s = read_out_dtype(out, &args->out_dtype)) return s;
  if (Status s = check_shape("out", out, {args->cum_m, args->n})) return s;
  args->out = out.data;
  return outputs.size == 2 ? read_workspace(buffer_at(outputs, 1), call) : kSuccess;
}

}  // namespace ggfp8::xla
