#include "api/tensor_checks.h"

#include <cinttypes>
#include <cstring>

#include "core/math.h"

namespace ggfp8 {
namespace {

constexpr int32_t kMaxAxes = 64;      // more is garbage
constexpr int32_t kMaxAxesShown = 8;  // in a sentence

Status read_device(const char* name, const ggfp8_tensor& tensor, Device* device) {
  switch (tensor.device_type) {
    case GGFP8_DEVICE_CPU:
    case GGFP8_DLPACK_CUDA_HOST: *device = {DeviceType::kCpu, 0}; return kSuccess;
    case GGFP8_DEVICE_CUDA:
    case GGFP8_DLPACK_CUDA_MANAGED:
      *device = {DeviceType::kCuda, tensor.device_id};
      return kSuccess;
    default:
      return fail(GGFP8_ERROR_INVALID_DEVICE, "%s: got DLPack device type %d, wanted cpu or cuda",
                  name, tensor.device_type);
  }
}

// Sizes and strides follow the struct where it has no pointer to them.
void find_shape(const ggfp8_tensor& tensor, Array* array) {
  array->rank = tensor.ndim;
  array->shape = tensor.shape;
  array->strides = tensor.strides;
  if (tensor.shape != nullptr) return;
  array->shape = reinterpret_cast<const int64_t*>(&tensor + 1);
  array->strides = array->shape + tensor.ndim;
}

}  // namespace

bool Array::has_elements() const {
  for (int32_t axis = 0; axis < rank; ++axis) {
    if (shape[axis] == 0) return false;
  }
  return true;
}

bool has_stride(const Array& array, int32_t axis) noexcept {
  return array.strides != nullptr && array.shape[axis] > 1 && array.has_elements();
}

Message shape_text(const int64_t* sizes, int32_t rank) noexcept {
  Message text;
  text.append("(");
  for (int32_t axis = 0; axis < min_of(rank, kMaxAxesShown); ++axis) {
    text.append("%s%" PRId64, axis == 0 ? "" : ", ", sizes[axis]);
  }
  text.append(rank > kMaxAxesShown ? ", ...)" : rank == 1 ? ",)" : ")");
  return text;
}

Message shape_text(const Array& array) noexcept {
  return shape_text(array.shape, array.rank);
}

Message device_text(Device device) noexcept {
  Message text;
  if (device.type == DeviceType::kCpu) {
    text.append("cpu");
  } else {
    text.append("cuda:%d", device.id);
  }
  return text;
}

Status read_array(const char* name, const ggfp8_tensor* tensor, Array* array) noexcept {
  array->name = name;
  if (tensor == nullptr) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT, "%s: got NULL, wanted an array", name);
  }
  if (tensor->ndim < 0 || tensor->ndim > kMaxAxes) {
    return fail(GGFP8_ERROR_INVALID_SHAPE, "%s: got %d axes, wanted 0 to %d", name, tensor->ndim,
                kMaxAxes);
  }
  if (Status s = read_device(name, *tensor, &array->device)) return s;
  find_shape(*tensor, array);
  for (int32_t axis = 0; axis < array->rank; ++axis) {
    if (array->shape[axis] >= 0) continue;
    return fail(GGFP8_ERROR_INVALID_SHAPE, "%s: got shape %s, wanted no negative size", name,
                shape_text(*array).text);
  }
  array->dtype = {tensor->dtype_code, tensor->dtype_bits, tensor->dtype_lanes};
  array->data = tensor->data;
  if (tensor->data != nullptr) array->data = static_cast<char*>(tensor->data) + tensor->byte_offset;
  return kSuccess;
}

Status check_rank(const Array& array, int32_t rank, const char* axes) noexcept {
  if (array.rank == rank) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_SHAPE, "%s: got shape %s, wanted %s", array.name,
              shape_text(array).text, axes);
}

Status check_size(const Array& array, int32_t axis, const SizeRule& rule, const char* axes,
                  const char* size_name) noexcept {
  if (rule.allows(array.shape[axis])) return kSuccess;
  Message multiple;
  if (rule.multiple > 1) multiple.append("a multiple of %" PRId64 " ", rule.multiple);
  return fail(GGFP8_ERROR_INVALID_SHAPE, "%s: got shape %s, wanted %s with %s %sfrom 0 to %" PRId64,
              array.name, shape_text(array).text, axes, size_name, multiple.text, rule.limit);
}

bool has_shape(const Array& array, std::span<const int64_t> shape) noexcept {
  return array.rank == static_cast<int32_t>(shape.size()) &&
         std::memcmp(array.shape, shape.data(), shape.size_bytes()) == 0;
}

Status check_dtype(const Array& array, TensorDtype wanted) noexcept {
  if (array.dtype == wanted) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_DTYPE, "%s: got dtype %s, wanted %s", array.name,
              name_of(array.dtype).text, name_of(wanted).text);
}

Status check_device(const Array& array, const Array& like) noexcept {
  if (array.device == like.device) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_DEVICE, "%s: got an array on %s, wanted %s like %s", array.name,
              device_text(array.device).text, device_text(like.device).text, like.name);
}

Status check_strides(const Array& array) noexcept {
  if (array.strides == nullptr) return kSuccess;
  for (int32_t axis = 0; axis < array.rank; ++axis) {
    if (array.shape[axis] == 1) continue;
    const int64_t stride = array.strides[axis];
    if (axis + 1 == array.rank ? stride == 1 : stride > 0) continue;
    if (!array.has_elements()) return kSuccess;
    return fail(GGFP8_ERROR_INVALID_STRIDE,
                "%s: got strides %s, wanted 1 on the last axis%s; pass a contiguous %s", array.name,
                shape_text(array.strides, array.rank).text,
                array.rank > 1 ? " and positive ones before it" : "", array.name);
  }
  return kSuccess;
}

Status read_stride(const Array& array, int32_t axis, const StrideRule& rule,
                   int64_t* stride) noexcept {
  *stride = rule.least;
  if (has_stride(array, axis)) *stride = array.strides[axis];
  if (rule.allows(*stride)) {
    if (is_addressable(*stride, array.shape[axis])) return kSuccess;
    return fail(GGFP8_ERROR_INVALID_STRIDE,
                "%s: got %" PRId64 " steps of %" PRId64
                " elements on axis %d, wanted every element to be addressable",
                array.name, array.shape[axis], *stride, axis);
  }
  Message multiple;
  if (rule.multiple > 1) multiple.append("a multiple of %" PRId64 " and ", rule.multiple);
  return fail(GGFP8_ERROR_INVALID_STRIDE,
              "%s: got strides %s, wanted on axis %d %sat least %" PRId64, array.name,
              shape_text(array.strides, array.rank).text, axis, multiple.text, rule.least);
}

Status check_memory(const Array& array, int64_t alignment) noexcept {
  if (array.data == nullptr && array.has_elements()) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "%s: got an array of shape %s without memory (its data is NULL), wanted one with "
                "memory",
                array.name, shape_text(array).text);
  }
  if (is_aligned(array.data, alignment)) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_ALIGNMENT,
              "%s: got address %p, wanted a multiple of %" PRId64 " bytes", array.name, array.data,
              alignment);
}

Status check_writable(const Array& array, bool read_only) noexcept {
  if (!read_only) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_ARGUMENT, "%s: got a read-only array, wanted a writable one",
              array.name);
}

Status read_fp8_dtype(const Array& array, int32_t declared, int32_t* code) noexcept {
  const int32_t own = dtype_code_of(array.dtype);
  const bool is_fp8 = own == GGFP8_DTYPE_FLOAT8_E4M3FN || own == GGFP8_DTYPE_FLOAT8_E5M2;
  const bool has_bytes = is_bytes(array.dtype);
  if (is_fp8 && declared != 0 && declared != own) {
    return fail(GGFP8_ERROR_INVALID_DTYPE, "%s_dtype: got %s, wanted %s, the dtype of %s",
                array.name, name_of(static_cast<Dtype>(declared)), name_of(static_cast<Dtype>(own)),
                array.name);
  }
  if (!is_fp8 && (declared == 0 || !has_bytes)) {
    Message hint;
    if (has_bytes) hint.append("; say with %s_dtype which of them these bytes are", array.name);
    return fail(GGFP8_ERROR_INVALID_DTYPE,
                "%s: got dtype %s, wanted float8_e4m3fn or float8_e5m2%s", array.name,
                name_of(array.dtype).text, hint.text);
  }
  *code = is_fp8 ? own : declared;
  return kSuccess;
}

Status read_float_dtype(const Array& array, int32_t* code) noexcept {
  *code = dtype_code_of(array.dtype);
  if (*code >= GGFP8_DTYPE_BFLOAT16 && *code <= GGFP8_DTYPE_FLOAT32) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_DTYPE, "%s: got dtype %s, wanted bfloat16, float16 or float32",
              array.name, name_of(array.dtype).text);
}

}  // namespace ggfp8
