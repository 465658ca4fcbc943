// Checks of one array, under the name that its caller knows it by: what every function that takes
// arrays asks. A check that fails says what was got and what was wanted.
//
// read_array comes first; check_rank before anything that names an axis.
#pragma once

#include <cstdint>
#include <span>

#include "api/argument_rules.h"
#include "api/tensor_dtype.h"
#include "core/problem.h"
#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

struct Device {
  DeviceType type = DeviceType::kCpu;
  int32_t id = 0;

  friend bool operator==(const Device&, const Device&) = default;
};

// Borrowed: shape and strides belong to the caller.
struct Array {
  const char* name = "";
  void* data = nullptr;  // the first element; may be null where there is none
  Device device;
  TensorDtype dtype{};
  int32_t rank = 0;
  const int64_t* shape = nullptr;
  const int64_t* strides = nullptr;  // in elements; null: dense, row-major

  bool has_elements() const;
};

// Texts of sentences.
Message shape_text(const int64_t* sizes, int32_t rank) noexcept;  // "(6, 128)"
Message shape_text(const Array& array) noexcept;
Message device_text(Device device) noexcept;  // "cpu", "cuda:0"

// Fills *array. Fails for no tensor, another device than CPU and CUDA, no shape, negative sizes.
Status read_array(const char* name, const ggfp8_tensor* tensor, Array* array) noexcept;

// `axes` names the axes, for example "(cum_m, k)".
Status check_rank(const Array& array, int32_t rank, const char* axes) noexcept;

// The size of an axis follows a rule; `size_name` is the axis among `axes`.
Status check_size(const Array& array, int32_t axis, const SizeRule& rule, const char* axes,
                  const char* size_name) noexcept;

bool has_shape(const Array& array, std::span<const int64_t> shape) noexcept;

Status check_dtype(const Array& array, TensorDtype wanted) noexcept;

// The array is where `like` is.
Status check_device(const Array& array, const Array& like) noexcept;

// Whether the caller gives an axis a stride that matters: axes of one element, and all axes of an
// array without elements, have none, and dense arrays need not say theirs.
bool has_stride(const Array& array, int32_t axis) noexcept;

// The last axis has stride 1 and the others have positive strides. Axes of one element, and all
// axes of an array without elements, have no stride.
Status check_strides(const Array& array) noexcept;

// Writes the stride of an axis that check_strides has passed; rule.least where there is none.
Status read_stride(const Array& array, int32_t axis, const StrideRule& rule,
                   int64_t* stride) noexcept;

// The array has memory if it has elements, at a multiple of `alignment` bytes.
Status check_memory(const Array& array, int64_t alignment) noexcept;

// The GGFP8_DTYPE_* of an array of FP8 values. `declared` is what the caller says that bytes are,
// or 0.
Status read_fp8_dtype(const Array& array, int32_t declared, int32_t* code) noexcept;

// The GGFP8_DTYPE_* of an array of bfloat16, float16 or float32.
Status read_float_dtype(const Array& array, int32_t* code) noexcept;

// An address for the functions that take pointers: no array without elements has one.
template <class Pointer>
Status read_pointer(const Array& array, int64_t alignment, Pointer* pointer) noexcept {
  if (Status s = check_memory(array, array.has_elements() ? alignment : 1)) return s;
  *pointer = array.has_elements() ? static_cast<Pointer>(array.data) : nullptr;
  return kSuccess;
}

// For an array that is written; `read_only` is what its caller says.
Status check_writable(const Array& array, bool read_only) noexcept;

}  // namespace ggfp8
