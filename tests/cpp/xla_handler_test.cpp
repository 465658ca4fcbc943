// The handlers of XLA, called with call frames as XLA makes them: results, metadata, the device and
// stream they ask for, and what they say to frames that would lead past an array's end.
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "groupgemm_fp8/xla.h"
#include "xla/xla_abi.h"

namespace {

using namespace ggfp8::xla;

constexpr int64_t kRows = 6;
constexpr int64_t kN = 16;
constexpr int64_t kK = 128;

// Stands in for XLA's Error: what XLA got from the last handler.
struct Reported {
  std::string message;
  ErrorCode code;
} reported;

Error* create_error(CreateErrorArgs* args) {
  reported = {args->message, args->code};
  return reinterpret_cast<Error*>(&reported);
}

Error* get_stream(GetStreamArgs* args) {
  CHECK_EQ(args->struct_size, sizeof *args);
  args->stream = nullptr;
  return nullptr;
}

Error* get_device_ordinal(GetDeviceOrdinalArgs* args) {
  CHECK_EQ(args->struct_size, sizeof *args);
  args->device_ordinal = 99;
  return nullptr;
}

// A frame with its own memory. a and b are ones and twos, so that row r is 256 * a_scale[r].
struct Frame {
  std::vector<uint8_t> a = std::vector<uint8_t>(kRows * kK, 0x38);
  std::vector<uint8_t> b = std::vector<uint8_t>(2 * kN * kK, 0x40);
  std::vector<float> a_scale = {1, 2, 4, 8, 16, 32};
  std::vector<float> b_scale = {1, 1};
  std::vector<int32_t> m_indptr = {0, 2, 6};
  std::vector<float> out = std::vector<float>(kRows * kN, -1);
  std::vector<uint8_t> workspace = std::vector<uint8_t>(1024);

  std::vector<std::vector<int64_t>> dims = {{kRows, kK}, {2, kN, kK}, {1, kRows}, {2, 1, 1},
                                            {3},         {kRows, kN}, {1024}};
  std::array<Buffer, 7> buffers = {
      buffer(DataType::kFloat8E4m3fn, a.data()),  buffer(DataType::kFloat8E4m3fn, b.data()),
      buffer(DataType::kFloat32, a_scale.data()), buffer(DataType::kFloat32, b_scale.data()),
      buffer(DataType::kInt32, m_indptr.data()),  buffer(DataType::kFloat32, out.data()),
      buffer(DataType::kUint8, workspace.data())};
  std::array<void*, 7> pointers;
  std::array<ValueType, 7> types;

  std::vector<std::pair<ByteSpan, int32_t>> integers;
  DataType integer_dtype = DataType::kInt32;
  AttributeType integer_type = AttributeType::kScalar;
  AttributeType backend_type = AttributeType::kString;
  std::string backend;
  Api api = {};
  CallFrame frame = {};

  Frame() {
    types.fill(ValueType::kBuffer);
    api.struct_size = sizeof api;
    api.create_error = create_error;
    api.get_stream = get_stream;
    api.get_device_ordinal = get_device_ordinal;
    frame.struct_size = sizeof frame;
    frame.api = &api;
    frame.arguments = {sizeof(Values), nullptr, 5, types.data(), pointers.data()};
    frame.results = {sizeof(Values), nullptr, 1, types.data(), pointers.data() + 5};
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  static Buffer buffer(DataType dtype, void* data) {
    return {sizeof(Buffer), nullptr, dtype, data, 0, nullptr};
  }

  // Calls a handler; the message of its error, or "" without one.
  std::string call(void* (*handler)(void*)) {
    for (size_t i = 0; i < buffers.size(); ++i) {
      buffers[i].rank = static_cast<int64_t>(dims[i].size());
      buffers[i].dims = dims[i].data();
      pointers[i] = &buffers[i];
    }
    std::vector<Scalar> scalars;
    for (auto& [name, value] : integers) scalars.push_back({integer_dtype, &value});
    const ByteSpan backend_span = {backend.data(), backend.size()};
    ByteSpan backend_name = {"backend", 7};
    std::vector<ByteSpan*> names = {&backend_name};
    std::vector<AttributeType> attribute_types = {backend_type};
    std::vector<void*> values = {const_cast<ByteSpan*>(&backend_span)};
    for (size_t i = 0; i < integers.size(); ++i) {
      names.push_back(&integers[i].first);
      attribute_types.push_back(integer_type);
      values.push_back(&scalars[i]);
    }
    frame.attributes = {sizeof(Attributes),     nullptr,      static_cast<int64_t>(values.size()),
                        attribute_types.data(), names.data(), values.data()};
    return handler(&frame) == nullptr ? "" : reported.message;
  }

  bool out_is(float factor) const {
    for (size_t i = 0; i < out.size(); ++i) {
      if (out[i] != factor * a_scale[i / kN]) return false;
    }
    return true;
  }
};

bool contains(const std::string& text, const char* part) {
  const bool ok = text.find(part) != std::string::npos;
  if (!ok) std::cerr << "  message: " << text << "\n";
  return ok;
}

void test_result() {
  Frame call;
  CHECK(call.call(ggfp8_xla_ffi_cpu).empty());
  CHECK(call.out_is(256));
  Frame with_workspace;
  with_workspace.frame.results.size = 2;
  CHECK(with_workspace.call(ggfp8_xla_ffi_cpu_validate).empty());
  CHECK(with_workspace.out_is(256));
}

void test_attributes() {
  Frame call;
  call.integers = {{{"mma_sm", 6}, 2}, {{"scale_granularity_k", 19}, 64}, {{"scale_major", 11}, 2}};
  call.backend = "cpu";
  call.a_scale.resize(12);
  for (size_t i = 0; i < 12; ++i) call.a_scale[i] = static_cast<float>(1 + i / 2);
  call.b_scale = {1, 3, 1, 3};
  call.buffers[2].data = call.a_scale.data();
  call.buffers[3].data = call.b_scale.data();
  call.dims[2] = {kRows, 2};
  call.dims[3] = {2, 1, 2};
  CHECK(call.call(ggfp8_xla_ffi_cpu).empty());
  CHECK_EQ(call.out[0], 128.0f * (1 + 3));
  CHECK_EQ(call.out[5 * kN], 128.0f * 6 * (1 + 3));
  // The other major has as many scales in another shape.
  call.dims[3] = {2, 2, 1};
  CHECK(contains(call.call(ggfp8_xla_ffi_cpu), "b_scale: got shape (2, 2, 1)"));
}

// Every integer attribute reaches the option of its name: -1 is legal for none of them.
void test_every_integer_attribute() {
  const std::pair<const char*, const char*> sentences[] = {
      {"a_dtype", "a_dtype: got"},
      {"b_dtype", "b_dtype: got"},
      {"b_scale_major", "b_scale_major: got -1"},
      {"expected_m", "expected_m: got -1"},
      {"group_alignment", "group_alignment: got -1"},
      {"group_layout", "group_layout: got -1"},
      {"mma_sm", "mma_sm: got -1"},
      {"scale_granularity_k", "scale_granularity_mnk: got (1, 128, -1)"},
      {"scale_granularity_m", "scale_granularity_mnk: got (-1, 128, 128)"},
      {"scale_granularity_n", "scale_granularity_mnk: got (1, -1, 128)"},
      {"scale_major", "scale_major: got -1"}};
  for (const auto& [name, sentence] : sentences) {
    Frame call;
    call.integers = {{{name, std::strlen(name)}, -1}};
    CHECK(contains(call.call(ggfp8_xla_ffi_cpu), sentence));
    CHECK_EQ(call.out[0], -1.0f);
  }
}

void test_wrong_attributes() {
  for (DataType dtype : {DataType::kInt64, DataType::kUint32, DataType::kFloat32}) {
    Frame call;
    call.integers = {{{"mma_sm", 6}, 1}};
    call.integer_dtype = dtype;
    CHECK(contains(call.call(ggfp8_xla_ffi_cpu), "mma_sm: got another type, wanted an int32"));
  }
  Frame integer;
  integer.integers = {{{"mma_sm", 6}, 1}};
  integer.integer_type = AttributeType::kArray;
  CHECK(contains(integer.call(ggfp8_xla_ffi_cpu), "mma_sm: got another type, wanted an int32"));
  Frame backend;
  backend.backend = "cpu";
  backend.backend_type = AttributeType::kArray;
  CHECK(contains(backend.call(ggfp8_xla_ffi_cpu), "backend: got another type"));
}

// A program converts scales of UE8M0 before the call; the handler takes float32 alone.
void test_wrong_scale_dtype() {
  for (const auto& [idx, sentence] : {std::pair{2, "a_scale: got dtype float8_e8m0fnu, wanted"},
                                      {3, "b_scale: got dtype float8_e8m0fnu, wanted"}}) {
    Frame call;
    call.buffers[static_cast<size_t>(idx)].dtype = DataType::kFloat8E8m0fnu;
    CHECK(contains(call.call(ggfp8_xla_ffi_cpu), sentence));
    CHECK_EQ(call.out[0], -1.0f);
  }
}

void test_wrong_workspaces() {
  Frame dtype, stride;
  dtype.buffers[6].dtype = DataType::kFloat32;
  stride.dims[6] = {32, 32};
  for (Frame* call : {&dtype, &stride}) {
    call->frame.results.size = 2;
    CHECK(contains(call->call(ggfp8_xla_ffi_cpu), "workspace: got "));
    CHECK_EQ(call->out[0], -1.0f);
  }
}

// Each scale in a layout of its own, and bytes with a declared type.
void test_more_attributes() {
  Frame call;
  call.integers = {{{"scale_granularity_k", 19}, 64},
                   {{"b_scale_major", 13}, 2},
                   {{"a_dtype", 7}, GGFP8_DTYPE_FLOAT8_E4M3FN}};
  call.buffers[0].dtype = DataType::kUint8;
  call.a_scale.insert(call.a_scale.end(), call.a_scale.begin(), call.a_scale.end());
  call.b_scale = {1, 3, 1, 3};
  call.buffers[2].data = call.a_scale.data();
  call.buffers[3].data = call.b_scale.data();
  call.dims[2] = {2, kRows};
  call.dims[3] = {2, 1, 2};
  CHECK(call.call(ggfp8_xla_ffi_cpu).empty());
  CHECK_EQ(call.out[5 * kN], 128.0f * 32 * (1 + 3));
}

// Rows 0 and 1, and from row 4 on: the rows between stay as they were.
void test_aligned_ends() {
  Frame call;
  call.integers = {{{"group_layout", 12}, GGFP8_GROUPS_ENDS}, {{"group_alignment", 15}, 4}};
  call.m_indptr = {2, 6};
  call.buffers[4].data = call.m_indptr.data();
  call.dims[4] = {2};
  CHECK(call.call(ggfp8_xla_ffi_cpu_validate).empty());
  const float wanted[] = {256, 256 * 2, -1, -1, 256 * 16, 256 * 32};
  for (size_t row = 0; row < kRows; ++row) CHECK_EQ(call.out[row * kN], wanted[row]);
}

// Two slabs of three rows, with int64 counts.
void test_slabs() {
  Frame call;
  std::vector<int64_t> counts = {1, 2};
  call.integers = {{{"group_layout", 12}, GGFP8_GROUPS_MASKED}, {{"expected_m", 10}, 2}};
  call.buffers[4] = Frame::buffer(DataType::kInt64, counts.data());
  call.dims = {{2, 3, kK}, {2, kN, kK}, {2, 1, 3}, {2, 1, 1}, {2}, {2, 3, kN}, {1024}};
  CHECK(call.call(ggfp8_xla_ffi_cpu_validate).empty());
  const float wanted[] = {256, -1, -1, 256 * 8, 256 * 16, -1};
  for (size_t row = 0; row < kRows; ++row) CHECK_EQ(call.out[row * kN], wanted[row]);
}

// The shape of b is (batch_size, k, n), its memory that of (batch_size, n, k).
void test_swapped_axes_of_b() {
  Frame call;
  call.integers = {{{"b_has_swapped_axes", 18}, 1}};
  CHECK(contains(call.call(ggfp8_xla_ffi_cpu), "b: got shape"));
  call.dims[1] = {2, kK, kN};
  CHECK(call.call(ggfp8_xla_ffi_cpu).empty());
  CHECK(call.out_is(256));
  call.dims[1] = {2, kK * kN};
  CHECK(contains(call.call(ggfp8_xla_ffi_cpu), "b: got shape"));
}

void test_metadata() {
  const std::pair<void* (*)(void*), uint32_t> traits[] = {
      {ggfp8_xla_ffi_cpu, 0},
      {ggfp8_xla_ffi_cpu_validate, 0},
      {ggfp8_xla_ffi_cuda, kTraitCommandBufferCompatible},
      {ggfp8_xla_ffi_cuda_validate, 0}};
  for (const auto& [handler, wanted] : traits) {
    Metadata metadata = {sizeof metadata, {}, 77};
    MetadataExtension extension = {{sizeof extension, ExtensionType::kMetadata, nullptr},
                                   &metadata};
    CallFrame frame = {};
    frame.extensions = &extension.base;
    CHECK(handler(&frame) == nullptr);
    CHECK_EQ(metadata.traits, wanted);
    CHECK_EQ(metadata.api_version.major, 0);
    CHECK_EQ(metadata.api_version.minor, 1);
  }
}

void test_validation() {
  Frame call;
  call.m_indptr[1] = 7;
  CHECK(contains(call.call(ggfp8_xla_ffi_cpu_validate), "m_indptr[1]: got 7"));
  CHECK(reported.code == ErrorCode::kInvalidArgument);
  CHECK_EQ(call.out[0], -1.0f);
}

// Every array with a wrong type, rank or size is refused by name, and out is untouched.
void test_wrong_arrays() {
  const char* names[] = {"a", "b", "a_scale", "b_scale", "m_indptr", "out"};
  for (size_t i = 0; i < 6; ++i) {
    Frame dtype, rank, size;
    dtype.buffers[i].dtype = DataType::kUint8;
    rank.dims[i].push_back(1);
    size.dims[i].back() += 16;
    for (Frame* call : {&dtype, &rank, &size}) {
      const std::string message = call->call(ggfp8_xla_ffi_cpu);
      // The shape of a is the measure of the others.
      CHECK(contains(message, call == &size && i == 0 ? "b: got shape" : names[i]));
      CHECK(contains(message, "wanted"));
      CHECK_EQ(call->out[0], -1.0f);
    }
  }
}

void test_wrong_frames() {
  Frame packed;
  packed.buffers[1].dtype = static_cast<DataType>(21);
  CHECK(contains(packed.call(ggfp8_xla_ffi_cpu), "b: got XLA type 21, wanted one of whole bytes"));
  Frame count;
  count.frame.arguments.size = 4;
  CHECK(contains(count.call(ggfp8_xla_ffi_cpu), "call: got 4 arguments and 1 results"));
  count.frame.arguments.size = 6;
  CHECK(contains(count.call(ggfp8_xla_ffi_cpu), "call: got 6 arguments and 1 results"));
  count.frame.arguments.size = 5;
  for (int64_t size : {0, 3}) {
    count.frame.results.size = size;
    CHECK(contains(count.call(ggfp8_xla_ffi_cpu), "call: got 5 arguments and "));
  }
  Frame result;
  result.types[5] = static_cast<ValueType>(5);
  result.frame.results.types = result.types.data() + 5;
  CHECK(contains(result.call(ggfp8_xla_ffi_cpu), "call: got a value of type 5"));
  Frame unknown_fp8;
  unknown_fp8.buffers[0].dtype = DataType::kFloat8E4m3b11fnuz;
  CHECK(contains(unknown_fp8.call(ggfp8_xla_ffi_cpu), "a: got dtype float8_e4m3b11fnuz"));
  Frame type;
  type.types[3] = static_cast<ValueType>(5);
  CHECK(contains(type.call(ggfp8_xla_ffi_cpu), "call: got a value of type 5"));
  Frame attribute;
  attribute.integers = {{{"mma", 3}, 1}};
  CHECK(contains(attribute.call(ggfp8_xla_ffi_cpu), "mma: got an attribute"));
  Frame granularity;
  granularity.integers = {{{"scale_granularity_m", 19}, -1}};
  granularity.dims[2] = {1, 0};
  CHECK(contains(granularity.call(ggfp8_xla_ffi_cpu), "scale_granularity_mnk: got (-1"));
  Frame backend;
  backend.backend = std::string(64, 'x');
  CHECK(contains(backend.call(ggfp8_xla_ffi_cpu), "backend: got another type or a long text"));
  backend.backend = "none";
  CHECK(contains(backend.call(ggfp8_xla_ffi_cpu), "backend: got \"none\""));
  CHECK(reported.code == ErrorCode::kUnimplemented);
}

void test_cuda() {
  Frame call;  // this test is linked without CUDA
  CHECK(!call.call(ggfp8_xla_ffi_cuda).empty());
  CHECK(reported.code == ErrorCode::kUnavailable);
  call.api.struct_size = offsetof(Api, get_device_ordinal);
  CHECK(contains(call.call(ggfp8_xla_ffi_cuda), "jaxlib: got XLA FFI version"));
}

}  // namespace

int main() {
  test_result();
  test_attributes();
  test_more_attributes();
  test_aligned_ends();
  test_slabs();
  test_swapped_axes_of_b();
  test_every_integer_attribute();
  test_wrong_attributes();
  test_wrong_scale_dtype();
  test_wrong_workspaces();
  test_metadata();
  test_validation();
  test_wrong_arrays();
  test_wrong_frames();
  test_cuda();
  return check::report();
}
