// Compares cpp/src/dlpack/dlpack_abi.h with the header of DLPack that PyTorch brings. Compiled,
// never run, by test_foreign_abi.py: every difference is a compile error.
#include <ATen/dlpack.h>

#include <cstddef>

#include "dlpack/dlpack_abi.h"

namespace ours = ggfp8::dlpack;

#define SAME_MEMBER(our_struct, our_member, their_struct, their_member)                           \
  static_assert(offsetof(ours::our_struct, our_member) == offsetof(their_struct, their_member) && \
                sizeof(ours::our_struct::our_member) == sizeof(their_struct::their_member))
#define SAME_SIZE(our_struct, their_struct) \
  static_assert(sizeof(ours::our_struct) == sizeof(their_struct))
#define SAME_TYPE(our_type, their_code, their_bits)                                       \
  static_assert(ours::our_type.code == their_code && ours::our_type.bits == their_bits && \
                ours::our_type.lanes == 1)

static_assert(DLPACK_MAJOR_VERSION == ours::kMajor && DLPACK_MINOR_VERSION >= 3);
static_assert(kDLCPU == ours::kCpu && kDLCUDA == ours::kCuda);
static_assert(sizeof(DLDeviceType) == sizeof(int32_t));

SAME_TYPE(kInt8, kDLInt, 8);
SAME_TYPE(kInt32, kDLInt, 32);
SAME_TYPE(kUint8, kDLUInt, 8);
SAME_TYPE(kFloat16, kDLFloat, 16);
SAME_TYPE(kFloat32, kDLFloat, 32);
SAME_TYPE(kBfloat16, kDLBfloat, 16);
SAME_TYPE(kFloat8E4m3fn, kDLFloat8_e4m3fn, 8);
SAME_TYPE(kFloat8E5m2, kDLFloat8_e5m2, 8);

SAME_MEMBER(DataType, code, DLDataType, code);
SAME_MEMBER(DataType, bits, DLDataType, bits);
SAME_MEMBER(DataType, lanes, DLDataType, lanes);
SAME_SIZE(DataType, DLDataType);
SAME_MEMBER(Device, type, DLDevice, device_type);
SAME_MEMBER(Device, id, DLDevice, device_id);
SAME_SIZE(Device, DLDevice);

SAME_MEMBER(Tensor, data, DLTensor, data);
SAME_MEMBER(Tensor, device, DLTensor, device);
SAME_MEMBER(Tensor, ndim, DLTensor, ndim);
SAME_MEMBER(Tensor, dtype, DLTensor, dtype);
SAME_MEMBER(Tensor, shape, DLTensor, shape);
SAME_MEMBER(Tensor, strides, DLTensor, strides);
SAME_MEMBER(Tensor, byte_offset, DLTensor, byte_offset);
SAME_SIZE(Tensor, DLTensor);

SAME_MEMBER(Version, major, DLPackVersion, major);
SAME_MEMBER(Version, minor, DLPackVersion, minor);
SAME_MEMBER(TableHeader, version, DLPackExchangeAPIHeader, version);
SAME_MEMBER(TableHeader, previous, DLPackExchangeAPIHeader, prev_api);
SAME_SIZE(TableHeader, DLPackExchangeAPIHeader);

SAME_MEMBER(Table, header, DLPackExchangeAPI, header);
SAME_MEMBER(Table, describe, DLPackExchangeAPI, dltensor_from_py_object_no_sync);
SAME_MEMBER(Table, current_stream, DLPackExchangeAPI, current_work_stream);
