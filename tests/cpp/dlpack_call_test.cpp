// Calls read through a DLPack table of this test's own: what becomes of tensors, and that
// everything is refused that would lead behind a tensor's end or to another device.
#include "dlpack/dlpack_call.h"

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

using namespace ggfp8::dlpack;

constexpr int64_t kRows = 6;
constexpr int64_t kN = 16;
constexpr int64_t kK = 256;
constexpr int64_t kGroups = 2;
constexpr int64_t kKBlocks = 2;
constexpr int kOut = kNumInputs;

// What stands for a Python object: a tensor, or what cannot be described.
struct Object {
  DataType dtype;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  void* data;
  Device device = {kCpu, 0};
  uint64_t byte_offset = 0;
  bool fails = false;
};

int describe(void* object, Tensor* tensor) {
  auto* ours = static_cast<Object*>(object);
  if (ours->fails) return -1;
  *tensor = {ours->data,       ours->device,       static_cast<int32_t>(ours->shape.size()),
             ours->dtype,      ours->shape.data(), ours->strides.data(),
             ours->byte_offset};
  return 0;
}

int current_stream(int32_t type, int32_t id, void** stream) {
  *stream = reinterpret_cast<void*>(uintptr_t{0x1000} * static_cast<uintptr_t>(type) +
                                    static_cast<uintptr_t>(id));
  return id == 9 ? -1 : 0;
}

const Table kTable = {{{1, 3}, nullptr}, {}, describe, current_stream};

// a and b are ones and twos, so that row r is 512 * a_scale[r].
struct Problem {
  std::vector<uint8_t> a = std::vector<uint8_t>(kRows * kK, 0x38);
  std::vector<uint8_t> b = std::vector<uint8_t>(kGroups * kN * kK, 0x40);
  std::vector<float> a_scale = {1, 2, 4, 8, 16, 32, 1, 2, 4, 8, 16, 32};
  std::vector<float> b_scale = std::vector<float>(kGroups * kKBlocks, 1);
  std::vector<int32_t> m_indptr = {0, 2, 6};
  std::vector<float> out = std::vector<float>(kRows * kN, -1);
  Object objects[kNumInputs + 1] = {
      {kFloat8E4m3fn, {kRows, kK}, {kK, 1}, a.data()},
      {kFloat8E4m3fn, {kGroups, kN, kK}, {kN * kK, kK, 1}, b.data()},
      {kFloat32, {kKBlocks, kRows}, {kRows, 1}, a_scale.data()},
      {kFloat32, {kGroups, kKBlocks, 1}, {kKBlocks, 1, 1}, b_scale.data()},
      {kInt32, {kGroups + 1}, {1}, m_indptr.data()},
      {kFloat32, {kRows, kN}, {kN, 1}, out.data()}};
  ggfp8_dlpack_options options = {};
  Call call;

  Problem() { options.struct_size = sizeof options; }
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  bool read() {
    void* inputs[kNumInputs];
    for (int i = 0; i < kNumInputs; ++i) inputs[i] = &objects[i];
    return read_inputs(kTable, inputs, options, &call) &&
           read_out(kTable, &objects[kOut], options.out_dtype, &call);
  }

  bool run() {
    return read() &&
           ggfp8_group_gemm_nt_groupwise(&call.args, nullptr, 0, nullptr) == GGFP8_SUCCESS;
  }

  bool out_is(float factor) const {
    for (size_t i = 0; i < out.size(); ++i) {
      if (out[i] != factor * a_scale[i / kN]) return false;
    }
    return true;
  }
};

void test_result() {
  Problem problem;
  CHECK(problem.run());
  CHECK(problem.out_is(512));
  CHECK_EQ(problem.call.args.device_type, GGFP8_DEVICE_CPU);
}

void test_options() {
  Problem problem;
  problem.options.scale_major = GGFP8_SCALE_MAJOR_K;
  problem.options.scale_granularity_k = 64;
  problem.options.mma_sm = 2;
  problem.options.backend = "cpu";
  problem.a_scale.assign(kRows * 4, 3);
  problem.b_scale.assign(kGroups * 4, 1);
  problem.objects[kAScale] = {kFloat32, {kRows, 4}, {4, 1}, problem.a_scale.data()};
  problem.objects[kBScale] = {kFloat32, {kGroups, 1, 4}, {4, 4, 1}, problem.b_scale.data()};
  CHECK(problem.run());
  CHECK(problem.out_is(512));
  CHECK_EQ(problem.call.args.mma_sm, 2);
  CHECK(std::strcmp(problem.call.args.backend, "cpu") == 0);
}

// Strides reach the C API, and so does the offset of the first byte.
void test_strides() {
  Problem problem;
  std::vector<uint8_t> wide(16 + kRows * 2 * kK, 0x7f);
  for (int64_t row = 0; row < kRows; ++row) std::memset(&wide[16 + row * 2 * kK], 0x38, kK);
  problem.objects[kA] = {kFloat8E4m3fn, {kRows, kK}, {2 * kK, 1}, wide.data()};
  problem.objects[kA].byte_offset = 16;
  CHECK(problem.run());
  CHECK(problem.out_is(512));
  CHECK_EQ(problem.call.args.a_row_stride, 2 * kK);
}

// An axis of one element may have any stride.
void test_strides_of_single_elements() {
  Problem problem;
  problem.m_indptr = {0, 0, 1};
  problem.objects[kA].shape[0] = 1;
  problem.objects[kAScale] = {kFloat32, {kKBlocks, 1}, {1, 77}, problem.a_scale.data()};
  problem.objects[kBScale].strides[2] = 99;
  problem.objects[kOut].shape[0] = 1;
  for (int i : {int{kA}, kOut}) problem.objects[i].strides[0] = -5;
  problem.a_scale[1] = 1;
  CHECK(problem.run());
  CHECK_EQ(problem.out[0], 512.0f);
  CHECK_EQ(problem.out[kN], -1.0f);
}

void test_types() {
  Problem e5m2;
  e5m2.objects[kB].dtype = kFloat8E5m2;
  CHECK(e5m2.read());
  CHECK_EQ(e5m2.call.args.b_dtype, GGFP8_DTYPE_FLOAT8_E5M2);
  for (const DataType& bytes : {kUint8, kInt8}) {
    Problem declared;
    declared.objects[kA].dtype = declared.objects[kB].dtype = bytes;
    CHECK(!declared.read());
    declared.options.a_dtype = GGFP8_DTYPE_FLOAT8_E5M2;
    declared.options.b_dtype = GGFP8_DTYPE_FLOAT8_E4M3FN;
    CHECK(declared.read());
    CHECK_EQ(declared.call.args.a_dtype, GGFP8_DTYPE_FLOAT8_E5M2);
    CHECK_EQ(declared.call.args.b_dtype, GGFP8_DTYPE_FLOAT8_E4M3FN);
  }
  Problem other_than_declared;
  other_than_declared.options.a_dtype = GGFP8_DTYPE_FLOAT8_E5M2;
  CHECK(!other_than_declared.read());

  const std::pair<DataType, int32_t> outs[] = {{kBfloat16, GGFP8_DTYPE_BFLOAT16},
                                               {kFloat16, GGFP8_DTYPE_FLOAT16},
                                               {kFloat32, GGFP8_DTYPE_FLOAT32}};
  for (const auto& [dtype, code] : outs) {
    for (int32_t wanted = 0; wanted <= GGFP8_DTYPE_FLOAT32; ++wanted) {
      Problem problem;
      problem.objects[kOut].dtype = dtype;
      problem.options.out_dtype = wanted;
      CHECK_EQ(problem.read(), wanted == 0 || wanted == code);
      if (wanted == 0) CHECK_EQ(problem.call.args.out_dtype, code);
    }
  }
}

struct Change {
  const char* name;
  std::function<void(Object&)> apply;
};

// Each change is refused for each tensor.
void test_refusals() {
  const Change changes[] = {
      {"not described", [](Object& x) { x.fails = true; }},
      {"no memory", [](Object& x) { x.data = nullptr; }},
      {"vectors", [](Object& x) { x.dtype.lanes = 2; }},
      {"another type", [](Object& x) { x.dtype = {5, 32, 1}; }},
      {"more bits", [](Object& x) { x.dtype.bits *= 2; }},
      {"another axis",
       [](Object& x) { x.shape.insert(x.shape.begin(), 1), x.strides.push_back(1); }},
      {"no axis", [](Object& x) { x.shape.clear(); }},
      {"other rows", [](Object& x) { x.shape.front() += 1; }},
      {"other columns", [](Object& x) { x.shape.back() += 1; }},
      {"no elements", [](Object& x) { x.shape.back() = 0; }},
      {"negative size", [](Object& x) { x.shape.front() = -x.shape.front(); }},
      {"another CUDA device", [](Object& x) { x.device = {kCuda, 1}; }},
      {"a pinned host", [](Object& x) { x.device.type = 3; }},
      {"an unknown device", [](Object& x) { x.device.id = 1; }},
  };
  for (const Change& change : changes) {
    for (int i = 0; i <= kOut; ++i) {
      Problem problem;
      change.apply(problem.objects[i]);
      if (!CHECK(!problem.read())) std::cerr << "  " << change.name << ", tensor " << i << "\n";
    }
  }
  for (int i = 0; i <= kOut; ++i) {
    for (size_t axis = 0; axis < Problem().objects[i].shape.size(); ++axis) {
      for (int64_t stride : {int64_t{0}, int64_t{-1}}) {
        Problem problem;
        if (problem.objects[i].shape[axis] == 1) continue;
        problem.objects[i].strides[axis] = stride;
        if (!CHECK(!problem.read())) std::cerr << "  stride of tensor " << i << "\n";
      }
    }
    Problem problem;  // the last axis is not the dense one
    if (problem.objects[i].shape.back() == 1) continue;
    problem.objects[i].strides.back() = 2;
    CHECK(!problem.read());
  }
}

// An illegal granularity must not divide by zero; the library names it.
void test_illegal_options() {
  for (int32_t granularity : {-1, INT32_MIN, 7}) {
    Problem problem;
    problem.options.scale_granularity_k = granularity;
    CHECK(!problem.run());
    CHECK_EQ(problem.out[0], -1.0f);
  }
}

void test_workspace() {
  std::vector<uint8_t> memory(1024);
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  const uintptr_t aligned = (address + 255) / 256 * 256;
  Problem problem;
  CHECK(problem.read());
  Object workspace = {kUint8, {1024}, {1}, memory.data()};
  CHECK(read_workspace(kTable, &workspace, &problem.call));
  CHECK_EQ(reinterpret_cast<uintptr_t>(problem.call.workspace), aligned);
  CHECK_EQ(problem.call.workspace_bytes, 1024 - (aligned - address));
  const Change changes[] = {
      {"not described", [](Object& x) { x.fails = true; }},
      {"another type", [](Object& x) { x.dtype = kInt8; }},
      {"another axis", [](Object& x) { x.shape = {512, 2}, x.strides = {2, 1}; }},
      {"gaps", [](Object& x) { x.strides = {2}; }},
      {"another device", [](Object& x) { x.device = {kCuda, 0}; }},
  };
  for (const Change& change : changes) {
    Object changed = workspace;
    change.apply(changed);
    if (!CHECK(!read_workspace(kTable, &changed, &problem.call))) std::cerr << change.name << "\n";
  }
  // One byte behind an aligned address, and not a byte of use.
  Object small = {kUint8, {1}, {1}, reinterpret_cast<void*>(aligned + 1)};
  CHECK(!read_workspace(kTable, &small, &problem.call));
}

void test_device_and_stream() {
  Problem problem;
  for (Object& object : problem.objects) object.device = {kCuda, 3};
  CHECK(problem.read());
  CHECK_EQ(problem.call.args.device_type, GGFP8_DEVICE_CUDA);
  CHECK_EQ(problem.call.args.device_id, 3);
  CHECK(read_current_stream(kTable, &problem.call));
  CHECK_EQ(reinterpret_cast<uintptr_t>(problem.call.stream), uintptr_t{0x2003});

  problem.call.args.device_id = 9;
  CHECK(!read_current_stream(kTable, &problem.call));
  Table without_stream = kTable;
  without_stream.current_stream = nullptr;
  CHECK(!read_current_stream(without_stream, &problem.call));

  Problem on_cpu;  // where no stream is asked for
  CHECK(on_cpu.read());
  CHECK(read_current_stream(without_stream, &on_cpu.call));
  CHECK(on_cpu.call.stream == nullptr);
}

// A framework may publish a newer table in front of the one that is known here.
void test_versions() {
  Table ours = kTable;
  TableHeader newer = {{2, 0}, &ours.header};
  TableHeader newest = {{3, 1}, &newer};
  CHECK(find_table(&ours) == &ours);
  CHECK(find_table(&newest) == &ours);
  ours.header.version.minor = 99;
  CHECK(find_table(&newest) == &ours);
  ours.describe = nullptr;
  CHECK(find_table(&newest) == nullptr);
  newer.previous = nullptr;
  CHECK(find_table(&newest) == nullptr);
  CHECK(find_table(nullptr) == nullptr);
}

void test_no_interpreter() {
  int constants = 0;  // is not looked at
  CHECK(ggfp8_dlpack_function(&constants) == nullptr);
  CHECK(ggfp8_dlpack_function(nullptr) == nullptr);
}

}  // namespace

int main() {
  test_result();
  test_options();
  test_strides();
  test_strides_of_single_elements();
  test_types();
  test_refusals();
  test_illegal_options();
  test_workspace();
  test_device_and_stream();
  test_versions();
  test_no_interpreter();
  return check::report();
}
