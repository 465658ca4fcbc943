// Element types of arrays, as DLPack numbers them, and their names for people.
#pragma once

#include <cstdint>

#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

struct TensorDtype {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes = 1;

  friend constexpr bool operator==(const TensorDtype&, const TensorDtype&) = default;
};

constexpr TensorDtype kTensorInt8 = {GGFP8_DLPACK_INT, 8};
constexpr TensorDtype kTensorInt32 = {GGFP8_DLPACK_INT, 32};
constexpr TensorDtype kTensorInt64 = {GGFP8_DLPACK_INT, 64};
constexpr TensorDtype kTensorUint8 = {GGFP8_DLPACK_UINT, 8};
constexpr TensorDtype kTensorOpaque8 = {GGFP8_DLPACK_OPAQUE, 8};
constexpr TensorDtype kTensorFloat16 = {GGFP8_DLPACK_FLOAT, 16};
constexpr TensorDtype kTensorFloat32 = {GGFP8_DLPACK_FLOAT, 32};
constexpr TensorDtype kTensorBfloat16 = {GGFP8_DLPACK_BFLOAT, 16};
constexpr TensorDtype kTensorFloat8E4m3fn = {GGFP8_DLPACK_FLOAT8_E4M3FN, 8};
constexpr TensorDtype kTensorFloat8E5m2 = {GGFP8_DLPACK_FLOAT8_E5M2, 8};

// Whether elements are bytes that say nothing about their meaning.
constexpr bool is_bytes(TensorDtype dtype) {
  return dtype == kTensorUint8 || dtype == kTensorInt8 || dtype == kTensorOpaque8;
}

// For example "float8_e4m3fn", "uint8", "float32x4".
Message name_of(TensorDtype dtype) noexcept;

// The GGFP8_DTYPE_* of an element type, or 0 if it has none.
int32_t dtype_code_of(TensorDtype dtype) noexcept;

}  // namespace ggfp8
