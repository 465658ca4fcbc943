#include "api/argument_checks.h"

#include <cinttypes>

#include "core/math.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "groupgemm_fp8/moe.h"

namespace ggfp8 {

Status check_extent(const char* name, int64_t value, int64_t limit) noexcept {
  if (value >= 0 && value <= limit) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_SHAPE, "%s: got %" PRId64 ", wanted 0 to %" PRId64, name, value,
              limit);
}

Status read_float_dtype(const char* name, int32_t code, Dtype fallback, Dtype* dtype) noexcept {
  if (code == 0) code = static_cast<int32_t>(fallback);
  if (code < GGFP8_DTYPE_BFLOAT16 || code > GGFP8_DTYPE_FLOAT32) {
    return fail(GGFP8_ERROR_INVALID_DTYPE,
                "%s: got code %d, wanted %d (bfloat16), %d (float16) or %d (float32)", name, code,
                GGFP8_DTYPE_BFLOAT16, GGFP8_DTYPE_FLOAT16, GGFP8_DTYPE_FLOAT32);
  }
  *dtype = static_cast<Dtype>(code);
  return kSuccess;
}

Status read_fp8_dtype(const char* name, int32_t code, Dtype* dtype) noexcept {
  if (code == 0) code = GGFP8_DTYPE_FLOAT8_E4M3FN;
  if (code != GGFP8_DTYPE_FLOAT8_E4M3FN && code != GGFP8_DTYPE_FLOAT8_E5M2) {
    return fail(GGFP8_ERROR_INVALID_DTYPE,
                "%s: got code %d, wanted %d (float8_e4m3fn) or %d (float8_e5m2)", name, code,
                GGFP8_DTYPE_FLOAT8_E4M3FN, GGFP8_DTYPE_FLOAT8_E5M2);
  }
  *dtype = static_cast<Dtype>(code);
  return kSuccess;
}

Status read_index_dtype(const char* name, int32_t code, bool* is_int64) noexcept {
  if (code != 0 && code != GGFP8_DTYPE_INT32 && code != GGFP8_DTYPE_INT64) {
    return fail(GGFP8_ERROR_INVALID_DTYPE, "%s: got code %d, wanted %d (int32) or %d (int64)", name,
                code, GGFP8_DTYPE_INT32, GGFP8_DTYPE_INT64);
  }
  *is_int64 = code == GGFP8_DTYPE_INT64;
  return kSuccess;
}

Status read_scale_major(const char* name, int32_t code, ScaleMajor* major) noexcept {
  if (code == 0) code = GGFP8_SCALE_MAJOR_MN;
  if (code != GGFP8_SCALE_MAJOR_MN && code != GGFP8_SCALE_MAJOR_K) {
    return fail(GGFP8_ERROR_INVALID_SCALE_MAJOR, "%s: got %d, wanted %d (MN) or %d (K)", name, code,
                GGFP8_SCALE_MAJOR_MN, GGFP8_SCALE_MAJOR_K);
  }
  *major = static_cast<ScaleMajor>(code);
  return kSuccess;
}

Status read_device_type(int32_t code, DeviceType* type) noexcept {
  if (code == 0) code = GGFP8_DEVICE_CUDA;
  if (code != GGFP8_DEVICE_CPU && code != GGFP8_DEVICE_CUDA) return refuse_device_type(code);
  *type = static_cast<DeviceType>(code);
  return kSuccess;
}

Status refuse_device_type(int32_t code) noexcept {
  return fail(GGFP8_ERROR_INVALID_DEVICE, "device_type: got %d, wanted %d (CPU) or %d (CUDA)", code,
              GGFP8_DEVICE_CPU, GGFP8_DEVICE_CUDA);
}

Status check_flags(uint32_t flags, uint32_t allowed) noexcept {
  if ((flags & ~allowed) == 0) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_ARGUMENT, "flags: got 0x%x, wanted a combination of 0x%x", flags,
              allowed);
}

Status check_reserved(uint32_t reserved) noexcept {
  if (reserved == 0) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_ARGUMENT, "reserved: got %u, wanted 0", reserved);
}

Status read_member_stride(const char* name, int64_t stride, int64_t dense, int64_t count,
                          int64_t* resolved) noexcept {
  if (stride == 0) stride = dense;
  if (stride < dense) {
    return fail(GGFP8_ERROR_INVALID_STRIDE, "%s: got %" PRId64 ", wanted at least %" PRId64, name,
                stride, dense);
  }
  // Elements have up to 8 bytes, and a second stride may add as much again.
  int64_t reach = 0;
  if (__builtin_mul_overflow(stride, count, &reach) || reach > INT64_MAX / 32) {
    return fail(GGFP8_ERROR_INVALID_STRIDE,
                "%s: got %" PRId64 ", wanted %" PRId64 " steps of it to be addressable", name,
                stride, count);
  }
  *resolved = stride;
  return kSuccess;
}

Status check_array(const char* name, const void* pointer, bool has_elements,
                   int64_t alignment) noexcept {
  if (pointer == nullptr && has_elements) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT, "%s: got NULL, wanted an array", name);
  }
  if (is_aligned(pointer, alignment)) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_ALIGNMENT,
              "%s: got address %p, wanted a multiple of %" PRId64 " bytes", name, pointer,
              alignment);
}

Status check_workspace_memory(const void* workspace, size_t bytes, size_t needed) noexcept {
  if (needed == 0) return kSuccess;
  if (workspace != nullptr && bytes >= needed && is_aligned(workspace, GGFP8_WORKSPACE_ALIGNMENT)) {
    return kSuccess;
  }
  return fail(GGFP8_ERROR_INVALID_WORKSPACE,
              "workspace: got %zu bytes at %p, wanted %zu bytes aligned to %d", bytes, workspace,
              needed, GGFP8_WORKSPACE_ALIGNMENT);
}

}  // namespace ggfp8
