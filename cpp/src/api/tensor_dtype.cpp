#include "api/tensor_dtype.h"

namespace ggfp8 {
namespace {

// A kind of types of which the bits tell the members apart, or one type with its own bits.
struct Kind {
  uint8_t code;
  uint8_t own_bits;  // 0: the name is followed by the number of bits
  const char* name;
};

constexpr Kind kKinds[] = {
    {GGFP8_DLPACK_INT, 0, "int"},
    {GGFP8_DLPACK_UINT, 0, "uint"},
    {GGFP8_DLPACK_FLOAT, 0, "float"},
    {GGFP8_DLPACK_OPAQUE, 0, "void"},
    {GGFP8_DLPACK_BFLOAT, 0, "bfloat"},
    {5, 0, "complex"},
    {6, 8, "bool"},
    {7, 8, "float8_e3m4"},
    {8, 8, "float8_e4m3"},
    {9, 8, "float8_e4m3b11fnuz"},
    {GGFP8_DLPACK_FLOAT8_E4M3FN, 8, "float8_e4m3fn"},
    {11, 8, "float8_e4m3fnuz"},
    {GGFP8_DLPACK_FLOAT8_E5M2, 8, "float8_e5m2"},
    {13, 8, "float8_e5m2fnuz"},
    {14, 8, "float8_e8m0fnu"},
    {15, 6, "float6_e2m3fn"},
    {16, 6, "float6_e3m2fn"},
    {17, 4, "float4_e2m1fn"},
};

void append_name(TensorDtype dtype, Message* name) {
  if (dtype.code == GGFP8_DLPACK_FLOAT && dtype.bits == 8) {
    name->append("float8 (DLPack code 2, which does not say which float of 8 bits)");
    return;
  }
  for (const Kind& kind : kKinds) {
    if (kind.code != dtype.code) continue;
    name->append("%s", kind.name);
    if (kind.own_bits == 0) name->append("%d", dtype.bits);
    if (kind.own_bits != 0 && kind.own_bits != dtype.bits) name->append(" of %d bits", dtype.bits);
    return;
  }
  name->append("DLPack code %d of %d bits", dtype.code, dtype.bits);
}

}  // namespace

Message name_of(TensorDtype dtype) noexcept {
  Message name;
  append_name(dtype, &name);
  if (dtype.lanes != 1) name.append("x%d", dtype.lanes);
  return name;
}

int32_t dtype_code_of(TensorDtype dtype) noexcept {
  if (dtype == kTensorFloat8E4m3fn) return GGFP8_DTYPE_FLOAT8_E4M3FN;
  if (dtype == kTensorFloat8E5m2) return GGFP8_DTYPE_FLOAT8_E5M2;
  if (dtype == kTensorBfloat16) return GGFP8_DTYPE_BFLOAT16;
  if (dtype == kTensorFloat16) return GGFP8_DTYPE_FLOAT16;
  if (dtype == kTensorFloat32) return GGFP8_DTYPE_FLOAT32;
  return 0;
}

}  // namespace ggfp8
