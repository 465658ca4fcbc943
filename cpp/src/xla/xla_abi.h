// The part of XLA's foreign function interface (FFI) that a handler meets: layouts and codes.
//
// They are the same in API versions 0.1 to 0.4, which JAX 0.5.3 to 0.11 have, and are declared here
// so that the library builds without JAX. XLA only appends to its structs, and struct_size says
// what the other side knows. tests/cpp/xla_abi_check.cpp compares with the header in jaxlib.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ggfp8::xla {

// The version that a handler claims: the lowest that has what is declared here.
constexpr int kApiMajor = 0;
constexpr int kApiMinor = 1;

// The handler launches the same work whenever it is called with the same attributes and
// addresses, so that XLA may record it into a command buffer (a CUDA graph) and replay that.
constexpr uint32_t kTraitCommandBufferCompatible = 1;

enum class ExtensionType : int32_t { kMetadata = 1 };
enum class ValueType : int32_t { kBuffer = 1 };
enum class AttributeType : int32_t { kArray = 1, kDictionary = 2, kScalar = 3, kString = 4 };

// Types of whole bytes.
enum class DataType : int32_t {
  kBool = 1,
  kInt8 = 2,
  kInt16 = 3,
  kInt32 = 4,
  kInt64 = 5,
  kUint8 = 6,
  kUint16 = 7,
  kUint32 = 8,
  kUint64 = 9,
  kFloat16 = 10,
  kFloat32 = 11,
  kFloat64 = 12,
  kComplex64 = 15,
  kBfloat16 = 16,
  kComplex128 = 18,
  kFloat8E5m2 = 19,
  kFloat8E4m3fn = 20,
  kFloat8E4m3b11fnuz = 23,
  kFloat8E5m2fnuz = 24,
  kFloat8E4m3fnuz = 25,
  kFloat8E4m3 = 28,
  kFloat8E3m4 = 29,
  kFloat8E8m0fnu = 33,
};

enum class ErrorCode : int32_t {
  kInvalidArgument = 3,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
};

struct Error;             // belongs to XLA
struct ExecutionContext;  // belongs to XLA

struct Extension {
  size_t struct_size;
  ExtensionType type;
  Extension* next;
};

struct ApiVersion {
  size_t struct_size;
  Extension* extensions;
  int major;
  int minor;
};

// XLA asks a handler for these before it registers it. Newer versions have more members after them.
struct Metadata {
  size_t struct_size;
  ApiVersion api_version;
  uint32_t traits;
};

struct MetadataExtension {
  Extension base;
  Metadata* metadata;
};

struct Buffer {
  size_t struct_size;
  Extension* extensions;
  DataType dtype;
  void* data;
  int64_t rank;
  int64_t* dims;
};

struct ByteSpan {
  const char* data;
  size_t size;
};

struct Scalar {
  DataType dtype;
  void* value;
};

// Arguments or results; every pointer is a Buffer's if its type says so.
struct Values {
  size_t struct_size;
  Extension* extensions;
  int64_t size;
  ValueType* types;
  void** values;
};

struct Attributes {
  size_t struct_size;
  Extension* extensions;
  int64_t size;
  AttributeType* types;
  ByteSpan** names;
  void** values;  // a Scalar's or, for a string, a ByteSpan's
};

struct CreateErrorArgs {
  size_t struct_size;
  Extension* extensions;
  const char* message;
  ErrorCode code;
};

struct GetStreamArgs {
  size_t struct_size;
  Extension* extensions;
  ExecutionContext* context;
  void* stream;  // out
};

struct GetDeviceOrdinalArgs {
  size_t struct_size;
  Extension* extensions;
  ExecutionContext* context;
  int32_t device_ordinal;  // out
};

// XLA's functions. Each returns nullptr or an Error, which a handler may pass on.
struct Api {
  size_t struct_size;
  Extension* extensions;
  ApiVersion version;
  const void* internal;
  Error* (*create_error)(CreateErrorArgs*);
  void* unused_1[3];
  Error* (*get_stream)(GetStreamArgs*);
  void* unused_2[12];
  Error* (*get_device_ordinal)(GetDeviceOrdinalArgs*);  // missing in jaxlib 0.5
};

struct CallFrame {
  size_t struct_size;
  Extension* extensions;
  const Api* api;
  ExecutionContext* context;
  int32_t stage;
  Values arguments;
  Values results;
  Attributes attributes;
};

}  // namespace ggfp8::xla
