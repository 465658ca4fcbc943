// The part of DLPack 1.3 that a reader of tensors meets: layouts and codes.
//
// A framework publishes a table of C functions on the type of its tensors; with it a tensor is
// described in less time than Python takes to read one attribute. Declared here so that the library
// builds without DLPack. tests/cpp/dlpack_abi_check.cpp compares with the header in PyTorch.
#pragma once

#include <cstdint>

namespace ggfp8::dlpack {

// Minor versions only add codes and flags. A table of another major version has other layouts.
constexpr uint32_t kMajor = 1;

constexpr int32_t kCpu = 1;
constexpr int32_t kCuda = 2;

struct DataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;

  friend bool operator==(const DataType&, const DataType&) = default;
};

constexpr DataType kInt8 = {0, 8, 1};
constexpr DataType kInt32 = {0, 32, 1};
constexpr DataType kUint8 = {1, 8, 1};
constexpr DataType kFloat16 = {2, 16, 1};
constexpr DataType kFloat32 = {2, 32, 1};
constexpr DataType kBfloat16 = {4, 16, 1};
constexpr DataType kFloat8E4m3fn = {10, 8, 1};
constexpr DataType kFloat8E5m2 = {12, 8, 1};

struct Device {
  int32_t type;
  int32_t id;

  friend bool operator==(const Device&, const Device&) = default;
};

// Borrowed: shape and strides belong to the tensor that was described.
struct Tensor {
  void* data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements
  uint64_t byte_offset;
};

struct Version {
  uint32_t major;
  uint32_t minor;
};

struct TableHeader {
  Version version;
  TableHeader* previous;  // a table of an older version, or null
};

// The functions return 0, or another value with an exception of Python set.
struct Table {
  TableHeader header;
  void* unused[3];  // they allocate and exchange owning descriptions
  int (*describe)(void* object, Tensor* tensor);
  int (*current_stream)(int32_t device_type, int32_t device_id, void** stream);
};

}  // namespace ggfp8::dlpack
