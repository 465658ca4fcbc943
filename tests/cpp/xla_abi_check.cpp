// Compares cpp/src/xla/xla_abi.h with the header of XLA that jaxlib brings. Compiled, never run, by
// test_foreign_abi.py: every difference is a compile error.
#include <cstddef>

#include "xla/ffi/api/c_api.h"
#include "xla/xla_abi.h"

namespace xla = ggfp8::xla;

#define SAME_MEMBER(ours, our_member, theirs, their_member)                     \
  static_assert(offsetof(ours, our_member) == offsetof(theirs, their_member) && \
                sizeof(ours::our_member) == sizeof(theirs::their_member))
#define SAME_CODE(ours, theirs) static_assert(static_cast<int>(ours) == static_cast<int>(theirs))
#define SAME_STRUCT(ours, theirs)                      \
  SAME_MEMBER(ours, struct_size, theirs, struct_size); \
  SAME_MEMBER(ours, extensions, theirs, extension_start)

static_assert(XLA_FFI_API_MAJOR == xla::kApiMajor && XLA_FFI_API_MINOR >= xla::kApiMinor);
SAME_CODE(xla::kTraitCommandBufferCompatible, XLA_FFI_HANDLER_TRAITS_COMMAND_BUFFER_COMPATIBLE);

SAME_CODE(xla::ExtensionType::kMetadata, XLA_FFI_Extension_Metadata);
SAME_CODE(xla::ValueType::kBuffer, XLA_FFI_ArgType_BUFFER);
SAME_CODE(xla::ValueType::kBuffer, XLA_FFI_RetType_BUFFER);
SAME_CODE(xla::AttributeType::kArray, XLA_FFI_AttrType_ARRAY);
SAME_CODE(xla::AttributeType::kDictionary, XLA_FFI_AttrType_DICTIONARY);
SAME_CODE(xla::AttributeType::kScalar, XLA_FFI_AttrType_SCALAR);
SAME_CODE(xla::AttributeType::kString, XLA_FFI_AttrType_STRING);
SAME_CODE(xla::DataType::kBool, XLA_FFI_DataType_PRED);
SAME_CODE(xla::DataType::kInt8, XLA_FFI_DataType_S8);
SAME_CODE(xla::DataType::kInt16, XLA_FFI_DataType_S16);
SAME_CODE(xla::DataType::kInt32, XLA_FFI_DataType_S32);
SAME_CODE(xla::DataType::kInt64, XLA_FFI_DataType_S64);
SAME_CODE(xla::DataType::kUint8, XLA_FFI_DataType_U8);
SAME_CODE(xla::DataType::kUint16, XLA_FFI_DataType_U16);
SAME_CODE(xla::DataType::kUint32, XLA_FFI_DataType_U32);
SAME_CODE(xla::DataType::kUint64, XLA_FFI_DataType_U64);
SAME_CODE(xla::DataType::kFloat16, XLA_FFI_DataType_F16);
SAME_CODE(xla::DataType::kFloat32, XLA_FFI_DataType_F32);
SAME_CODE(xla::DataType::kFloat64, XLA_FFI_DataType_F64);
SAME_CODE(xla::DataType::kComplex64, XLA_FFI_DataType_C64);
SAME_CODE(xla::DataType::kBfloat16, XLA_FFI_DataType_BF16);
SAME_CODE(xla::DataType::kComplex128, XLA_FFI_DataType_C128);
SAME_CODE(xla::DataType::kFloat8E5m2, XLA_FFI_DataType_F8E5M2);
SAME_CODE(xla::DataType::kFloat8E4m3fn, XLA_FFI_DataType_F8E4M3FN);
SAME_CODE(xla::DataType::kFloat8E4m3b11fnuz, XLA_FFI_DataType_F8E4M3B11FNUZ);
SAME_CODE(xla::DataType::kFloat8E5m2fnuz, XLA_FFI_DataType_F8E5M2FNUZ);
SAME_CODE(xla::DataType::kFloat8E4m3fnuz, XLA_FFI_DataType_F8E4M3FNUZ);
SAME_CODE(xla::DataType::kFloat8E4m3, XLA_FFI_DataType_F8E4M3);
SAME_CODE(xla::DataType::kFloat8E3m4, XLA_FFI_DataType_F8E3M4);
SAME_CODE(xla::DataType::kFloat8E8m0fnu, XLA_FFI_DataType_F8E8M0FNU);
SAME_CODE(xla::ErrorCode::kInvalidArgument, XLA_FFI_Error_Code_INVALID_ARGUMENT);
SAME_CODE(xla::ErrorCode::kResourceExhausted, XLA_FFI_Error_Code_RESOURCE_EXHAUSTED);
SAME_CODE(xla::ErrorCode::kUnimplemented, XLA_FFI_Error_Code_UNIMPLEMENTED);
SAME_CODE(xla::ErrorCode::kInternal, XLA_FFI_Error_Code_INTERNAL);
SAME_CODE(xla::ErrorCode::kUnavailable, XLA_FFI_Error_Code_UNAVAILABLE);

// The type of this base has another name in every few versions.
using ExtensionBase = decltype(XLA_FFI_Metadata_Extension::extension_base);
SAME_MEMBER(xla::Extension, struct_size, ExtensionBase, struct_size);
SAME_MEMBER(xla::Extension, type, ExtensionBase, type);
SAME_MEMBER(xla::Extension, next, ExtensionBase, next);
static_assert(sizeof(xla::Extension) == sizeof(ExtensionBase));

SAME_STRUCT(xla::ApiVersion, XLA_FFI_Api_Version);
SAME_MEMBER(xla::ApiVersion, major, XLA_FFI_Api_Version, major_version);
SAME_MEMBER(xla::ApiVersion, minor, XLA_FFI_Api_Version, minor_version);
static_assert(sizeof(xla::ApiVersion) == sizeof(XLA_FFI_Api_Version));

SAME_MEMBER(xla::Metadata, struct_size, XLA_FFI_Metadata, struct_size);
SAME_MEMBER(xla::Metadata, api_version, XLA_FFI_Metadata, api_version);
SAME_MEMBER(xla::Metadata, traits, XLA_FFI_Metadata, traits);
SAME_MEMBER(xla::MetadataExtension, base, XLA_FFI_Metadata_Extension, extension_base);
SAME_MEMBER(xla::MetadataExtension, metadata, XLA_FFI_Metadata_Extension, metadata);

SAME_STRUCT(xla::Buffer, XLA_FFI_Buffer);
SAME_MEMBER(xla::Buffer, dtype, XLA_FFI_Buffer, dtype);
SAME_MEMBER(xla::Buffer, data, XLA_FFI_Buffer, data);
SAME_MEMBER(xla::Buffer, rank, XLA_FFI_Buffer, rank);
SAME_MEMBER(xla::Buffer, dims, XLA_FFI_Buffer, dims);

SAME_MEMBER(xla::ByteSpan, data, XLA_FFI_ByteSpan, ptr);
SAME_MEMBER(xla::ByteSpan, size, XLA_FFI_ByteSpan, len);
SAME_MEMBER(xla::Scalar, dtype, XLA_FFI_Scalar, dtype);
SAME_MEMBER(xla::Scalar, value, XLA_FFI_Scalar, value);

SAME_STRUCT(xla::Values, XLA_FFI_Args);
SAME_MEMBER(xla::Values, size, XLA_FFI_Args, size);
SAME_MEMBER(xla::Values, types, XLA_FFI_Args, types);
SAME_MEMBER(xla::Values, values, XLA_FFI_Args, args);
static_assert(sizeof(xla::Values) == sizeof(XLA_FFI_Args));

SAME_STRUCT(xla::Values, XLA_FFI_Rets);
SAME_MEMBER(xla::Values, size, XLA_FFI_Rets, size);
SAME_MEMBER(xla::Values, types, XLA_FFI_Rets, types);
SAME_MEMBER(xla::Values, values, XLA_FFI_Rets, rets);
static_assert(sizeof(xla::Values) == sizeof(XLA_FFI_Rets));

SAME_STRUCT(xla::Attributes, XLA_FFI_Attrs);
SAME_MEMBER(xla::Attributes, size, XLA_FFI_Attrs, size);
SAME_MEMBER(xla::Attributes, types, XLA_FFI_Attrs, types);
SAME_MEMBER(xla::Attributes, names, XLA_FFI_Attrs, names);
SAME_MEMBER(xla::Attributes, values, XLA_FFI_Attrs, attrs);

SAME_STRUCT(xla::CallFrame, XLA_FFI_CallFrame);
SAME_MEMBER(xla::CallFrame, api, XLA_FFI_CallFrame, api);
SAME_MEMBER(xla::CallFrame, context, XLA_FFI_CallFrame, ctx);
SAME_MEMBER(xla::CallFrame, stage, XLA_FFI_CallFrame, stage);
SAME_MEMBER(xla::CallFrame, arguments, XLA_FFI_CallFrame, args);
SAME_MEMBER(xla::CallFrame, results, XLA_FFI_CallFrame, rets);
SAME_MEMBER(xla::CallFrame, attributes, XLA_FFI_CallFrame, attrs);

SAME_STRUCT(xla::CreateErrorArgs, XLA_FFI_Error_Create_Args);
SAME_MEMBER(xla::CreateErrorArgs, message, XLA_FFI_Error_Create_Args, message);
SAME_MEMBER(xla::CreateErrorArgs, code, XLA_FFI_Error_Create_Args, errc);
static_assert(sizeof(xla::CreateErrorArgs) == sizeof(XLA_FFI_Error_Create_Args));

SAME_STRUCT(xla::GetStreamArgs, XLA_FFI_Stream_Get_Args);
SAME_MEMBER(xla::GetStreamArgs, context, XLA_FFI_Stream_Get_Args, ctx);
SAME_MEMBER(xla::GetStreamArgs, stream, XLA_FFI_Stream_Get_Args, stream);
static_assert(sizeof(xla::GetStreamArgs) == sizeof(XLA_FFI_Stream_Get_Args));

SAME_STRUCT(xla::GetDeviceOrdinalArgs, XLA_FFI_DeviceOrdinal_Get_Args);
SAME_MEMBER(xla::GetDeviceOrdinalArgs, context, XLA_FFI_DeviceOrdinal_Get_Args, ctx);
SAME_MEMBER(xla::GetDeviceOrdinalArgs, device_ordinal, XLA_FFI_DeviceOrdinal_Get_Args,
            device_ordinal);
static_assert(sizeof(xla::GetDeviceOrdinalArgs) == sizeof(XLA_FFI_DeviceOrdinal_Get_Args));

SAME_STRUCT(xla::Api, XLA_FFI_Api);
SAME_MEMBER(xla::Api, version, XLA_FFI_Api, api_version);
SAME_MEMBER(xla::Api, internal, XLA_FFI_Api, internal_api);
SAME_MEMBER(xla::Api, create_error, XLA_FFI_Api, XLA_FFI_Error_Create);
SAME_MEMBER(xla::Api, get_stream, XLA_FFI_Api, XLA_FFI_Stream_Get);
SAME_MEMBER(xla::Api, get_device_ordinal, XLA_FFI_Api, XLA_FFI_DeviceOrdinal_Get);
