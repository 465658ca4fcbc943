#include "dlpack/dlpack_call.h"

#include <initializer_list>

#include "core/array_args.h"

namespace ggfp8::dlpack {
namespace {

// Strides of a tensor, outermost first, where 0 is dense as the C API has it.
struct Strides {
  int64_t group = 0;
  int64_t row = 0;
};

// False also where there is no memory: fake tensors, tensors without elements.
bool describe(const Table& table, void* object, Tensor* tensor) {
  if (table.describe(object, tensor) != 0 || tensor->data == nullptr) return false;
  if (tensor->shape == nullptr || tensor->strides == nullptr) return false;
  tensor->data = static_cast<char*>(tensor->data) + tensor->byte_offset;
  return true;
}

bool has_shape(const Tensor& tensor, std::initializer_list<int64_t> wanted) {
  if (tensor.ndim != static_cast<int32_t>(wanted.size())) return false;
  const int64_t* size = tensor.shape;
  for (const int64_t wanted_size : wanted) {
    if (wanted_size <= 0 || *size++ != wanted_size) return false;
  }
  return true;
}

// An axis of one element has no stride. A stride of 0 must not reach the C API, which would take it
// for the default.
bool read_stride(const Tensor& tensor, int32_t axis, int64_t* stride) {
  if (tensor.shape[axis] == 1) return true;
  *stride = tensor.strides[axis];
  return *stride > 0;
}

// For tensors of one to three axes.
bool read_strides(const Tensor& tensor, Strides* strides) {
  const int32_t last = tensor.ndim - 1;
  if (tensor.shape[last] != 1 && tensor.strides[last] != 1) return false;
  if (last >= 1 && !read_stride(tensor, last - 1, &strides->row)) return false;
  return last < 2 || read_stride(tensor, last - 2, &strides->group);
}

// `declared` is the FP8 type of a tensor of bytes, or 0.
bool read_fp8_dtype(const DataType& dtype, int32_t declared, int32_t* code) {
  if (dtype == kFloat8E4m3fn) {
    *code = GGFP8_DTYPE_FLOAT8_E4M3FN;
  } else if (dtype == kFloat8E5m2) {
    *code = GGFP8_DTYPE_FLOAT8_E5M2;
  } else {
    *code = declared;
    return declared != 0 && (dtype == kUint8 || dtype == kInt8);
  }
  return declared == 0 || declared == *code;
}

bool read_out_dtype(const DataType& dtype, int32_t wanted, int32_t* code) {
  if (dtype == kBfloat16) {
    *code = GGFP8_DTYPE_BFLOAT16;
  } else if (dtype == kFloat16) {
    *code = GGFP8_DTYPE_FLOAT16;
  } else if (dtype == kFloat32) {
    *code = GGFP8_DTYPE_FLOAT32;
  } else {
    return false;
  }
  return wanted == 0 || wanted == *code;
}

// a and b, whose shapes are the measure of the others.
bool read_factors(const Tensor& a, const Tensor& b, const ggfp8_dlpack_options& options,
                  ggfp8_group_gemm_args* args) {
  if (a.ndim != 2 || b.ndim != 3) return false;
  args->cum_m = a.shape[0];
  args->k = a.shape[1];
  args->batch_size = b.shape[0];
  args->n = b.shape[1];
  Strides a_strides, b_strides;
  if (!has_shape(a, {args->cum_m, args->k}) ||
      !has_shape(b, {args->batch_size, args->n, args->k}) ||
      !read_fp8_dtype(a.dtype, options.a_dtype, &args->a_dtype) ||
      !read_fp8_dtype(b.dtype, options.b_dtype, &args->b_dtype) || !read_strides(a, &a_strides) ||
      !read_strides(b, &b_strides)) {
    return false;
  }
  args->a = a.data;
  args->b = b.data;
  args->a_row_stride = a_strides.row;
  args->b_row_stride = b_strides.row;
  args->b_group_stride = b_strides.group;
  return true;
}

bool read_scales(const Tensor& a_scale, const Tensor& b_scale, ggfp8_group_gemm_args* args) {
  const auto [mb, nb, kb] = scale_blocks(*args);
  const bool k_major = args->scale_major == GGFP8_SCALE_MAJOR_K;
  const bool shapes_fit =
      k_major ? has_shape(a_scale, {mb, kb}) && has_shape(b_scale, {args->batch_size, nb, kb})
              : has_shape(a_scale, {kb, mb}) && has_shape(b_scale, {args->batch_size, kb, nb});
  Strides a_strides, b_strides;
  if (!shapes_fit || a_scale.dtype != kFloat32 || b_scale.dtype != kFloat32 ||
      !read_strides(a_scale, &a_strides) || !read_strides(b_scale, &b_strides)) {
    return false;
  }
  args->a_scale = static_cast<const float*>(a_scale.data);
  args->b_scale = static_cast<const float*>(b_scale.data);
  args->a_scale_stride = a_strides.row;
  args->b_scale_stride = b_strides.row;
  args->b_scale_group_stride = b_strides.group;
  return true;
}

bool read_m_indptr(const Tensor& m_indptr, ggfp8_group_gemm_args* args) {
  Strides strides;
  if (!has_shape(m_indptr, {args->batch_size + 1}) || m_indptr.dtype != kInt32 ||
      !read_strides(m_indptr, &strides)) {
    return false;
  }
  args->m_indptr = static_cast<const int32_t*>(m_indptr.data);
  return true;
}

// Describes a tensor that must be on the device of the inputs.
bool describe_here(const Table& table, void* object, const ggfp8_group_gemm_args& args,
                   Tensor* tensor) {
  return describe(table, object, tensor) &&
         tensor->device == Device{args.device_type, args.device_id};
}

void copy_options(const ggfp8_dlpack_options& options, ggfp8_group_gemm_args* args) {
  args->scale_granularity_m = options.scale_granularity_m;
  args->scale_granularity_n = options.scale_granularity_n;
  args->scale_granularity_k = options.scale_granularity_k;
  args->scale_major = options.scale_major;
  args->mma_sm = options.mma_sm;
  args->backend = options.backend;
}

}  // namespace

const Table* find_table(const void* exchange_api) noexcept {
  const auto* header = static_cast<const TableHeader*>(exchange_api);
  while (header != nullptr && header->version.major != kMajor) header = header->previous;
  const auto* table = reinterpret_cast<const Table*>(header);
  return table == nullptr || table->describe == nullptr ? nullptr : table;
}

bool read_inputs(const Table& table, void* const* objects, const ggfp8_dlpack_options& options,
                 Call* call) noexcept {
  Tensor tensors[kNumInputs];
  const Device& device = tensors[kA].device;
  for (int i = 0; i < kNumInputs; ++i) {
    if (!describe(table, objects[i], &tensors[i]) || tensors[i].device != device) return false;
  }
  if (device.type != kCpu && device.type != kCuda) return false;

  ggfp8_group_gemm_args* args = &call->args;
  args->device_type = device.type;
  args->device_id = device.id;
  copy_options(options, args);
  return read_factors(tensors[kA], tensors[kB], options, args) &&
         read_scales(tensors[kAScale], tensors[kBScale], args) &&
         read_m_indptr(tensors[kMIndptr], args);
}

bool read_out(const Table& table, void* object, int32_t dtype, Call* call) noexcept {
  ggfp8_group_gemm_args* args = &call->args;
  Tensor out;
  Strides strides;
  if (!describe_here(table, object, *args, &out) || !has_shape(out, {args->cum_m, args->n}) ||
      !read_out_dtype(out.dtype, dtype, &args->out_dtype) || !read_strides(out, &strides)) {
    return false;
  }
  args->out = out.data;
  args->out_row_stride = strides.row;
  return true;
}

bool read_workspace(const Table& table, void* object, Call* call) noexcept {
  Tensor tensor;
  if (!describe_here(table, object, call->args, &tensor) || tensor.ndim != 1 ||
      tensor.dtype != kUint8 || tensor.strides[0] != 1) {
    return false;
  }
  const auto [data, bytes] = aligned_workspace(tensor.data, static_cast<size_t>(tensor.shape[0]));
  call->workspace = data;
  call->workspace_bytes = bytes;
  return data != nullptr;
}

bool read_current_stream(const Table& table, Call* call) noexcept {
  if (call->args.device_type == GGFP8_DEVICE_CPU) return true;
  return table.current_stream != nullptr &&
         table.current_stream(call->args.device_type, call->args.device_id, &call->stream) == 0;
}

}  // namespace ggfp8::dlpack
