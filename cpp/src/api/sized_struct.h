// The rule of growth of the public structs that begin with their size: read and written here alone.
#pragma once

#include <cstddef>
#include <cstring>

#include "core/math.h"
#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

// Sizes in version 1, the least that a caller may have. Later versions only append.
constexpr size_t kArgsBytesV1 = 200;
constexpr size_t kOptionsBytesV1 = 56;
constexpr size_t kPlanInfoBytesV1 = 40;
constexpr size_t kDeviceInfoBytesV1 = 288;
static_assert(sizeof(ggfp8_group_gemm_args) == kArgsBytesV1 + 8);
static_assert(sizeof(ggfp8_group_gemm_options) == kOptionsBytesV1);
static_assert(sizeof(ggfp8_plan_info) == kPlanInfoBytesV1);
static_assert(sizeof(ggfp8_device_info) == kDeviceInfoBytesV1);

// Copies a caller's struct of any accepted size into *copy: members the caller does not know
// become zero, and an unknown tail must be zero.
Status read_sized_struct(const void* source, size_t known_bytes, size_t minimum_bytes, void* copy,
                         const char* name) noexcept;

// Fills the caller's struct up to the size the caller knows; struct_size stays.
template <class Struct>
Status write_sized_struct(Struct value, size_t minimum_bytes, Struct* destination,
                          const char* name) noexcept {
  Struct ignored;
  if (Status s = read_sized_struct(destination, sizeof ignored, minimum_bytes, &ignored, name)) {
    return s;
  }
  value.struct_size = destination->struct_size;
  std::memcpy(static_cast<void*>(destination), &value, min_of(value.struct_size, sizeof value));
  return kSuccess;
}

}  // namespace ggfp8
