// XLA's element types as DLPack numbers them: the codes of ggfp8_tensor.
#pragma once

#include <cstdint>

#include "groupgemm_fp8/groupgemm_fp8.h"
#include "xla/xla_abi.h"

namespace ggfp8::xla {

struct DtypePair {
  DataType xla;
  uint8_t dlpack_code;
  uint8_t bits;
};

constexpr DtypePair kDtypes[] = {
    {DataType::kBool, 6, 8},
    {DataType::kInt8, GGFP8_DLPACK_INT, 8},
    {DataType::kInt16, GGFP8_DLPACK_INT, 16},
    {DataType::kInt32, GGFP8_DLPACK_INT, 32},
    {DataType::kInt64, GGFP8_DLPACK_INT, 64},
    {DataType::kUint8, GGFP8_DLPACK_UINT, 8},
    {DataType::kUint16, GGFP8_DLPACK_UINT, 16},
    {DataType::kUint32, GGFP8_DLPACK_UINT, 32},
    {DataType::kUint64, GGFP8_DLPACK_UINT, 64},
    {DataType::kFloat16, GGFP8_DLPACK_FLOAT, 16},
    {DataType::kFloat32, GGFP8_DLPACK_FLOAT, 32},
    {DataType::kFloat64, GGFP8_DLPACK_FLOAT, 64},
    {DataType::kComplex64, 5, 64},
    {DataType::kBfloat16, GGFP8_DLPACK_BFLOAT, 16},
    {DataType::kComplex128, 5, 128},
    {DataType::kFloat8E5m2, GGFP8_DLPACK_FLOAT8_E5M2, 8},
    {DataType::kFloat8E4m3fn, GGFP8_DLPACK_FLOAT8_E4M3FN, 8},
    {DataType::kFloat8E4m3b11fnuz, 9, 8},
    {DataType::kFloat8E5m2fnuz, 13, 8},
    {DataType::kFloat8E4m3fnuz, 11, 8},
    {DataType::kFloat8E4m3, 8, 8},
    {DataType::kFloat8E3m4, 7, 8},
    {DataType::kFloat8E8m0fnu, 14, 8},
};

// Null for types that are packed into parts of bytes, and for those that XLA gets later.
inline const DtypePair* find_dtype(DataType dtype) {
  for (const DtypePair& pair : kDtypes) {
    if (pair.xla == dtype) return &pair;
  }
  return nullptr;
}

}  // namespace ggfp8::xla
