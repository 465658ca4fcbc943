// Checks of single members of argument structs: each reads one member, fills in its default, and
// says what was got and wanted where it is wrong.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/problem.h"
#include "core/status.h"

namespace ggfp8 {

// 0 <= value <= limit.
Status check_extent(const char* name, int64_t value, int64_t limit) noexcept;

// bfloat16, float16 or float32; code 0 means `fallback`.
Status read_float_dtype(const char* name, int32_t code, Dtype fallback, Dtype* dtype) noexcept;

// float8_e4m3fn (also 0) or float8_e5m2.
Status read_fp8_dtype(const char* name, int32_t code, Dtype* dtype) noexcept;

// int32 (also 0) or int64.
Status read_index_dtype(const char* name, int32_t code, bool* is_int64) noexcept;

// MN (also 0) or K.
Status read_scale_major(const char* name, int32_t code, ScaleMajor* major) noexcept;

// CPU, or CUDA (also 0).
Status read_device_type(int32_t code, DeviceType* type) noexcept;

// Fails with the sentence about a device type that is neither.
Status refuse_device_type(int32_t code) noexcept;

// flags without any bit outside of `allowed`.
Status check_flags(uint32_t flags, uint32_t allowed) noexcept;

Status check_reserved(uint32_t reserved) noexcept;

// 0 means `dense`, the least stride that keeps neighbours apart; `count` steps stay addressable.
Status read_member_stride(const char* name, int64_t stride, int64_t dense, int64_t count,
                          int64_t* resolved) noexcept;

// Not NULL where the array has elements, and a multiple of `alignment` bytes.
Status check_array(const char* name, const void* pointer, bool has_elements,
                   int64_t alignment) noexcept;

// The workspace has `needed` bytes at an aligned address.
Status check_workspace_memory(const void* workspace, size_t bytes, size_t needed) noexcept;

}  // namespace ggfp8
