// The handlers of the steps around the product, called with call frames as XLA makes them: results,
// metadata, and what they say to frames with other arrays or attributes.
#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "groupgemm_fp8/xla.h"
#include "xla/xla_abi.h"

namespace {

using namespace ggfp8::xla;
using Handler = void* (*)(void*);

std::string reported;

Error* create_error(CreateErrorArgs* args) {
  reported = args->message;
  return reinterpret_cast<Error*>(&reported);
}

// A frame that is filled in array by array. The arrays belong to the test.
class Frame {
 public:
  void argument(DataType dtype, std::vector<int64_t> dims, void* data) {
    add(dtype, std::move(dims), data, &arguments_);
  }

  void result(DataType dtype, std::vector<int64_t> dims, void* data) {
    add(dtype, std::move(dims), data, &results_);
  }

  void attribute(std::string name, int32_t value) {
    add_number(std::move(name), DataType::kInt32, &value);
  }

  void attribute(std::string name, float value) {
    add_number(std::move(name), DataType::kFloat32, &value);
  }

  // Calls a handler; the message of its error, or "" without one.
  std::string call(Handler handler) {
    Api api = {};
    api.struct_size = sizeof api;
    api.create_error = create_error;
    std::vector<ValueType> buffer_types(8, ValueType::kBuffer);
    std::vector<AttributeType> number_types(numbers_.size(), AttributeType::kScalar);
    std::vector<ByteSpan> spans;
    for (Number& number : numbers_) spans.push_back({number.name.data(), number.name.size()});
    std::vector<ByteSpan*> names;
    for (ByteSpan& span : spans) names.push_back(&span);
    std::vector<Scalar> scalars;
    for (Number& number : numbers_) scalars.push_back({number.dtype, number.bytes});
    std::vector<void*> values;
    for (Scalar& scalar : scalars) values.push_back(&scalar);
    CallFrame frame = {};
    frame.struct_size = sizeof frame;
    frame.api = &api;
    frame.arguments = values_of(arguments_, &buffer_types);
    frame.results = values_of(results_, &buffer_types);
    frame.attributes = {sizeof(Attributes),  nullptr,      static_cast<int64_t>(values.size()),
                        number_types.data(), names.data(), values.data()};
    return handler(&frame) == nullptr ? "" : reported;
  }

 private:
  struct Number {
    std::string name;
    DataType dtype;
    char bytes[4];
  };

  void add(DataType dtype, std::vector<int64_t> dims, void* data, std::vector<void*>* values) {
    dims_.push_back(std::move(dims));
    const auto rank = static_cast<int64_t>(dims_.back().size());
    buffers_.push_back({sizeof(Buffer), nullptr, dtype, data, rank, dims_.back().data()});
    values->push_back(&buffers_.back());
  }

  void add_number(std::string name, DataType dtype, const void* value) {
    numbers_.push_back({std::move(name), dtype, {}});
    std::memcpy(numbers_.back().bytes, value, 4);
  }

  static Values values_of(std::vector<void*>& values, std::vector<ValueType>* types) {
    return {sizeof(Values), nullptr, static_cast<int64_t>(values.size()), types->data(),
            values.data()};
  }

  std::deque<std::vector<int64_t>> dims_;
  std::deque<Buffer> buffers_;
  std::vector<void*> arguments_, results_;
  std::deque<Number> numbers_;
};

bool contains(const std::string& text, const char* part) {
  const bool ok = text.find(part) != std::string::npos;
  if (!ok) std::cerr << "  message: " << text << "\n";
  return ok;
}

void test_route() {
  int32_t index[] = {1, 0, 1}, row_index[3], position[3], m_indptr[3];
  for (const bool has_workspace : {false, true}) {
    uint8_t workspace[4096];
    Frame frame;
    frame.argument(DataType::kInt32, {3, 1}, index);
    frame.result(DataType::kInt32, {3}, row_index);
    frame.result(DataType::kInt32, {3, 1}, position);
    frame.result(DataType::kInt32, {3}, m_indptr);
    if (has_workspace) frame.result(DataType::kUint8, {4096}, workspace);
    CHECK(frame.call(ggfp8_xla_ffi_route_cpu).empty());
    const int32_t wanted[] = {1, 0, 2, 1, 0, 2, 0, 1, 3};
    CHECK(std::memcmp(row_index, wanted, 12) == 0);
    CHECK(std::memcmp(position, wanted + 3, 12) == 0);
    CHECK(std::memcmp(m_indptr, wanted + 6, 12) == 0);
  }
  float numbers[16];
  Frame wrong;
  wrong.argument(DataType::kInt32, {3, 1}, index);
  wrong.result(DataType::kInt32, {3}, row_index);
  wrong.result(DataType::kInt32, {3, 1}, position);
  wrong.result(DataType::kInt32, {3}, m_indptr);
  wrong.result(DataType::kFloat32, {16}, numbers);
  CHECK(contains(wrong.call(ggfp8_xla_ffi_route_cpu), "workspace: got dtype float32"));
}

void test_combine() {
  float x[] = {1, 2, 3, 4}, weight[] = {10, 1}, out[2];
  int32_t position[] = {1, 0};
  Frame frame;
  frame.argument(DataType::kFloat32, {2, 2}, x);
  frame.argument(DataType::kInt32, {1, 2}, position);
  frame.argument(DataType::kFloat32, {1, 2}, weight);
  frame.result(DataType::kFloat32, {1, 2}, out);
  CHECK(frame.call(ggfp8_xla_ffi_combine_cpu).empty());
  CHECK_EQ(out[0], 31.0f);
  CHECK_EQ(out[1], 42.0f);
  Frame missing;
  missing.argument(DataType::kFloat32, {2, 2}, x);
  missing.result(DataType::kFloat32, {1, 2}, out);
  CHECK(contains(missing.call(ggfp8_xla_ffi_combine_cpu),
                 "call: got 1 arguments and 1 results, wanted x, position and weight, and out"));
}

// One row of 64 ones; the second argument is given where `indices` is not null.
Frame quantisation(float* x, int32_t* indices, uint8_t* out, float* scale) {
  Frame frame;
  frame.argument(DataType::kFloat32, {1, 64}, x);
  if (indices != nullptr) frame.argument(DataType::kInt32, {1, 2}, indices);
  const int64_t rows = indices != nullptr ? 2 : 1;
  frame.result(DataType::kFloat8E4m3fn, {rows, 64}, out);
  frame.result(DataType::kFloat32, {rows, 2}, scale);
  frame.attribute("block_k", int32_t{32});
  frame.attribute("scale_major", int32_t{GGFP8_SCALE_MAJOR_K});
  return frame;
}

void test_quantize() {
  std::vector<float> x(64, 1.0f);
  std::vector<uint8_t> out(128);
  float scale[4] = {};
  int32_t indices[] = {1, 0};
  Frame plain = quantisation(x.data(), nullptr, out.data(), scale);
  CHECK(plain.call(ggfp8_xla_ffi_quantize_groupwise_cpu).empty());
  CHECK_EQ(int{out[63]}, 0x7E);  // 448
  CHECK_EQ(scale[1], 1.0f / 448);
  Frame power = quantisation(x.data(), nullptr, out.data(), scale);
  power.attribute("power_of_two_scales", int32_t{1});
  CHECK(power.call(ggfp8_xla_ffi_quantize_groupwise_cpu).empty());
  CHECK_EQ(scale[1], 1.0f / 256);
  Frame scattering = quantisation(x.data(), indices, out.data(), scale);
  scattering.attribute("scatters", int32_t{1});
  CHECK(scattering.call(ggfp8_xla_ffi_quantize_groupwise_cpu).empty());
  CHECK_EQ(int{out[127]}, 0x7E);
  CHECK_EQ(scale[3], 1.0f / 448);
  // Read as a gather, these indices have a wrong rank.
  Frame gathering = quantisation(x.data(), indices, out.data(), scale);
  CHECK(contains(gathering.call(ggfp8_xla_ffi_quantize_groupwise_cpu), "row_index: got shape"));
}

void test_silu_mul_quantize() {
  std::vector<float> gate_up(64, 8.0f);
  uint8_t out[32];
  float scale = 0;
  const auto frame = [&] {
    Frame made;
    made.argument(DataType::kFloat32, {1, 64}, gate_up.data());
    made.result(DataType::kFloat8E4m3fn, {1, 32}, out);
    made.result(DataType::kFloat32, {1, 1}, &scale);
    return made;
  };
  Frame limited = frame();
  limited.attribute("limit", 2.0f);
  CHECK(limited.call(ggfp8_xla_ffi_silu_mul_quantize_groupwise_cpu).empty());
  CHECK(scale * 448 > 3.52f && scale * 448 < 3.53f);  // 2 * 2 / (1 + exp(-2))
  Frame power = frame();
  power.attribute("limit", 2.0f);
  power.attribute("power_of_two_scales", int32_t{1});
  CHECK(power.call(ggfp8_xla_ffi_silu_mul_quantize_groupwise_cpu).empty());
  CHECK_EQ(scale, 1.0f / 64);  // above 3.52 / 448
  int32_t no_rows[] = {0, 0};
  Frame grouped;
  grouped.argument(DataType::kFloat32, {1, 64}, gate_up.data());
  grouped.argument(DataType::kInt32, {2}, no_rows);
  grouped.result(DataType::kFloat8E4m3fn, {1, 32}, out);
  grouped.result(DataType::kFloat32, {1, 1}, &scale);
  scale = -1;
  CHECK(grouped.call(ggfp8_xla_ffi_silu_mul_quantize_groupwise_cpu).empty());
  CHECK_EQ(scale, -1.0f);  // the row is in no group
  Frame typed = frame();
  typed.attribute("limit", int32_t{2});
  CHECK(contains(typed.call(ggfp8_xla_ffi_silu_mul_quantize_groupwise_cpu),
                 "limit: got another type, wanted a float32 attribute"));
  Frame unknown = frame();
  unknown.attribute("beta", 2.0f);
  CHECK(contains(unknown.call(ggfp8_xla_ffi_silu_mul_quantize_groupwise_cpu),
                 "beta: got an attribute that is not known"));
}

void test_metadata() {
  const std::pair<Handler, uint32_t> traits[] = {
      {ggfp8_xla_ffi_quantize_groupwise_cpu, 0},
      {ggfp8_xla_ffi_quantize_groupwise_cuda, kTraitCommandBufferCompatible},
      {ggfp8_xla_ffi_silu_mul_quantize_groupwise_cpu, 0},
      {ggfp8_xla_ffi_silu_mul_quantize_groupwise_cuda, kTraitCommandBufferCompatible},
      {ggfp8_xla_ffi_route_cpu, 0},
      {ggfp8_xla_ffi_route_cuda, kTraitCommandBufferCompatible},
      {ggfp8_xla_ffi_combine_cpu, 0},
      {ggfp8_xla_ffi_combine_cuda, kTraitCommandBufferCompatible}};
  for (const auto& [handler, wanted] : traits) {
    Metadata metadata = {sizeof metadata, {}, 77};
    MetadataExtension extension = {{sizeof extension, ExtensionType::kMetadata, nullptr},
                                   &metadata};
    CallFrame frame = {};
    frame.extensions = &extension.base;
    CHECK(handler(&frame) == nullptr);
    CHECK_EQ(metadata.traits, wanted);
  }
}

}  // namespace

int main() {
  test_route();
  test_combine();
  test_quantize();
  test_silu_mul_quantize();
  test_metadata();
  return check::report();
}
