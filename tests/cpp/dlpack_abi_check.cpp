// Compares ggfp8_tensor and the codes of the public header with the header of DLPack that PyTorch
// brings. Compiled, never run, by test_foreign_abi.py: every difference is a compile error.
#include <ATen/dlpack.h>

#include <cstddef>
#include <type_traits>

#include "groupgemm_fp8/groupgemm_fp8.h"

// Members of DLTensor's device and dtype are members of ggfp8_tensor itself.
#define SAME_PART(ours, theirs, part_type, part)                              \
  static_assert(offsetof(ggfp8_tensor, ours) ==                               \
                    offsetof(DLTensor, theirs) + offsetof(part_type, part) && \
                sizeof(ggfp8_tensor::ours) == sizeof(part_type::part))
#define SAME_MEMBER(member)                                                     \
  static_assert(offsetof(ggfp8_tensor, member) == offsetof(DLTensor, member) && \
                sizeof(ggfp8_tensor::member) == sizeof(DLTensor::member))
#define SAME_CODE(ours, theirs) static_assert(static_cast<int>(ours) == static_cast<int>(theirs))

static_assert(DLPACK_MAJOR_VERSION == 1);

SAME_MEMBER(data);
SAME_PART(device_type, device, DLDevice, device_type);
SAME_PART(device_id, device, DLDevice, device_id);
SAME_MEMBER(ndim);
SAME_PART(dtype_code, dtype, DLDataType, code);
SAME_PART(dtype_bits, dtype, DLDataType, bits);
SAME_PART(dtype_lanes, dtype, DLDataType, lanes);
SAME_MEMBER(shape);
SAME_MEMBER(strides);
SAME_MEMBER(byte_offset);
static_assert(sizeof(ggfp8_tensor) == sizeof(DLTensor));
static_assert(alignof(ggfp8_tensor) == alignof(DLTensor));

SAME_CODE(GGFP8_DEVICE_CPU, kDLCPU);
SAME_CODE(GGFP8_DEVICE_CUDA, kDLCUDA);
SAME_CODE(GGFP8_DLPACK_CUDA_HOST, kDLCUDAHost);
SAME_CODE(GGFP8_DLPACK_CUDA_MANAGED, kDLCUDAManaged);
SAME_CODE(GGFP8_DLPACK_INT, kDLInt);
SAME_CODE(GGFP8_DLPACK_UINT, kDLUInt);
SAME_CODE(GGFP8_DLPACK_FLOAT, kDLFloat);
SAME_CODE(GGFP8_DLPACK_OPAQUE, kDLOpaqueHandle);
SAME_CODE(GGFP8_DLPACK_BFLOAT, kDLBfloat);
SAME_CODE(GGFP8_DLPACK_FLOAT8_E4M3FN, kDLFloat8_e4m3fn);
SAME_CODE(GGFP8_DLPACK_FLOAT8_E5M2, kDLFloat8_e5m2);

// The exchange table is there since version 1.3.
#if DLPACK_MINOR_VERSION >= 3
static_assert(std::is_same_v<DLPackDLTensorFromPyObjectNoSync, int (*)(void*, DLTensor*)>);
static_assert(
    std::is_same_v<decltype(ggfp8_object_reader::describe), int (*)(void*, ggfp8_tensor*)>);
static_assert(std::is_same_v<DLPackCurrentWorkStream, int (*)(DLDeviceType, int32_t, void**)>);
static_assert(sizeof(DLDeviceType) == sizeof(int));
static_assert(
    std::is_same_v<decltype(ggfp8_object_reader::current_stream), int (*)(int, int32_t, void**)>);
#endif
