// The steps on arrays: legal calls, and what every kind of wrong array is told.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "check.h"
#include "groupgemm_fp8/moe.h"
#include "status_names.h"
#include "tensor_call.h"

namespace {

// Four tokens with two choices of three groups; rows of 256 bfloat16 ones.
struct Steps {
  static constexpr int64_t kTokens = 4, kTopK = 2, kGroups = 3, kK = 256, kRows = kTokens * kTopK;

  std::vector<int64_t> index_memory = {2, 0, 0, 9, 1, 2, 2, 0};
  std::vector<int32_t> row_index_memory = std::vector<int32_t>(kRows, 7);
  std::vector<int32_t> position_memory = std::vector<int32_t>(kRows, 7);
  std::vector<int32_t> m_indptr_memory = std::vector<int32_t>(kGroups + 1, 7);
  std::vector<uint16_t> x_memory = std::vector<uint16_t>(kRows * 2 * kK, 0x3F80);
  std::vector<uint8_t> codes_memory = std::vector<uint8_t>(kRows * kK, 1);
  std::vector<float> scale_memory = std::vector<float>(kRows * 2, -1);
  std::vector<float> weight_memory = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<float> out_memory = std::vector<float>(kTokens * kK, -1);

  TestTensor index = {GGFP8_DLPACK_INT, 64, {kTokens, kTopK}, index_memory.data()};
  TestTensor row_index = {GGFP8_DLPACK_INT, 32, {kRows}, row_index_memory.data()};
  TestTensor position = {GGFP8_DLPACK_INT, 32, {kTokens, kTopK}, position_memory.data()};
  TestTensor m_indptr = {GGFP8_DLPACK_INT, 32, {kGroups + 1}, m_indptr_memory.data()};
  TestTensor x = {GGFP8_DLPACK_BFLOAT, 16, {kTokens, kK}, x_memory.data()};
  TestTensor gate_up = {GGFP8_DLPACK_BFLOAT, 16, {kRows, 2 * kK}, x_memory.data()};
  TestTensor codes = {GGFP8_DLPACK_FLOAT8_E4M3FN, 8, {kRows, kK}, codes_memory.data()};
  TestTensor scale = {GGFP8_DLPACK_FLOAT, 32, {2, kRows}, scale_memory.data()};
  TestTensor weight = {GGFP8_DLPACK_FLOAT, 32, {kTokens, kTopK}, weight_memory.data()};
  TestTensor out = {GGFP8_DLPACK_FLOAT, 32, {kTokens, kK}, out_memory.data()};
  ggfp8_quantize_groupwise_options options = GGFP8_QUANTIZE_GROUPWISE_OPTIONS_INIT;
  ggfp8_silu_mul_quantize_groupwise_options silu_options =
      GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_OPTIONS_INIT;
  uint32_t flags = 0;

  Steps() = default;
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;

  int32_t route() {
    return ggfp8_route_tensors(index.get(), row_index.get(), position.get(), m_indptr.get(),
                               nullptr, flags, nullptr);
  }
  int32_t quantize() {
    return ggfp8_quantize_groupwise_tensors(x.get(), row_index.get(), nullptr, codes.get(),
                                            scale.get(), &options, nullptr);
  }
  int32_t silu() {
    return ggfp8_silu_mul_quantize_groupwise_tensors(gate_up.get(), m_indptr.get(), codes.get(),
                                                     scale.get(), &silu_options, nullptr);
  }
  int32_t combine() {
    return ggfp8_combine_tensors(x.get(), position.get(), weight.get(), out.get(), flags, nullptr);
  }
};

void test_a_chain_of_steps() {
  Steps steps;
  CHECK_EQ(steps.route(), GGFP8_SUCCESS);
  CHECK(steps.m_indptr_memory == std::vector<int32_t>({0, 3, 4, 7}));
  CHECK(steps.row_index_memory == std::vector<int32_t>({0, 1, 3, 2, 0, 2, 3, -1}));
  CHECK(steps.position_memory == std::vector<int32_t>({4, 0, 1, -1, 3, 5, 6, 2}));
  CHECK_EQ(steps.quantize(), GGFP8_SUCCESS);
  CHECK_EQ(steps.codes_memory[0], 0x7E);
  CHECK_EQ(steps.codes_memory[7 * Steps::kK], 1);  // the row that was left out
  CHECK_EQ(steps.scale_memory[0], 1.0f / 448.0f);
  CHECK_EQ(steps.scale_memory[7], -1.0f);
  CHECK_EQ(steps.silu(), GGFP8_SUCCESS);
  CHECK_EQ(steps.codes_memory[7 * Steps::kK], 1);
  steps.x.set_shape({Steps::kRows, Steps::kK});
  CHECK_EQ(steps.combine(), GGFP8_SUCCESS);
  CHECK_EQ(steps.out_memory[0], 3.0f);
  CHECK_EQ(steps.out_memory[Steps::kK], 3.0f);  // its second choice was left out
}

struct Refusal {
  int32_t status;
  const char* sentence;
  int32_t (Steps::*call)();
  std::function<void(Steps&)> change;
};

const Refusal kRefusals[] = {
    {kDtype, "x: got dtype int32, wanted bfloat16, float16 or float32", &Steps::quantize,
     [](Steps& s) { s.x.set_dtype(GGFP8_DLPACK_INT, 32); }},
    {kDtype, "row_index: got dtype float32, wanted int32 or int64", &Steps::quantize,
     [](Steps& s) { s.row_index.set_dtype(GGFP8_DLPACK_FLOAT, 32); }},
    {kDtype,
     "out: got dtype uint8, wanted float8_e4m3fn or float8_e5m2; say with out_dtype which of them "
     "these bytes are",
     &Steps::quantize, [](Steps& s) { s.codes.set_dtype(GGFP8_DLPACK_UINT, 8); }},
    {kDtype, "out_scale: got dtype float64, wanted float32", &Steps::quantize,
     [](Steps& s) { s.scale.set_dtype(GGFP8_DLPACK_FLOAT, 64); }},
    {kShape, "x: got shape (4, 2, 128), wanted (rows, k) with row_index", &Steps::quantize,
     [](Steps& s) { s.x.set_shape({4, 2, 128}); }},
    {kShape, "out: got shape (7, 256), wanted (8, 256) like row_index and x", &Steps::quantize,
     [](Steps& s) { s.codes.set_shape({7, 256}); }},
    {kShape,
     "out_scale: got shape (8, 2), wanted (2, 8) for scale_major_mode='MN' and granularity (1, "
     "128)",
     &Steps::quantize, [](Steps& s) { s.scale.set_shape({8, 2}); }},
    {GGFP8_ERROR_INVALID_GRANULARITY,
     "granularity: got (2, 128), wanted rows in {1, 128}, k in {32, 64, 96, 128}", &Steps::quantize,
     [](Steps& s) { s.options.block_rows = 2; }},
    {GGFP8_ERROR_INVALID_SCALE_MAJOR, "scale_major: got 3, wanted 1 (MN) or 2 (K)",
     &Steps::quantize, [](Steps& s) { s.options.scale_major = 3; }},
    {kArgument, "flags: got 0x1, wanted a combination of 0x1a", &Steps::quantize,
     [](Steps& s) { s.options.flags = 1; }},
    {kArgument, "out: got a read-only array, wanted a writable one", &Steps::quantize,
     [](Steps& s) { s.options.flags = GGFP8_FLAG_OUT_READ_ONLY; }},
    {kArgument, "out_scale: got a read-only array, wanted a writable one", &Steps::quantize,
     [](Steps& s) { s.options.flags = GGFP8_FLAG_OUT_SCALE_READ_ONLY; }},
    {GGFP8_ERROR_INVALID_DEVICE, "row_index: got an array on cuda:0, wanted cpu like x",
     &Steps::quantize, [](Steps& s) { s.row_index.tensor.device_type = GGFP8_DEVICE_CUDA; }},
    {kShape,
     "gate_up: got shape (8, 511), wanted (rows, 2 * k) with 2 * k a multiple of 2 from 0 to "
     "2147483520",
     &Steps::silu, [](Steps& s) { s.gate_up.set_shape({8, 511}); }},
    {kShape, "out: got shape (8, 255), wanted (8, 256) like gate_up", &Steps::silu,
     [](Steps& s) { s.codes.set_shape({8, 255}); }},
    {kArgument, "limit: got -1, wanted a positive value, or 0 for none", &Steps::silu,
     [](Steps& s) { s.silu_options.limit = -1; }},
    {kDtype, "m_indptr: got dtype int64, wanted int32", &Steps::silu,
     [](Steps& s) { s.m_indptr.set_dtype(GGFP8_DLPACK_INT, 64); }},
    {kDtype, "top_k_index: got dtype float32, wanted int32 or int64", &Steps::route,
     [](Steps& s) { s.index.set_dtype(GGFP8_DLPACK_FLOAT, 32); }},
    {kShape, "row_index: got shape (7,), wanted (8,) like top_k_index", &Steps::route,
     [](Steps& s) { s.row_index.set_shape({7}); }},
    {kShape, "position: got shape (8,), wanted (4, 2) like top_k_index", &Steps::route,
     [](Steps& s) { s.position.set_shape({8}); }},
    {kShape,
     "m_indptr: got shape (0,), wanted (batch_size + 1,) with batch_size from 0 to 16777216",
     &Steps::route, [](Steps& s) { s.m_indptr.set_shape({0}); }},
    {kArgument, "flags: got 0x2, wanted 0 or 0x4", &Steps::route, [](Steps& s) { s.flags = 2; }},
    {kDtype, "position: got dtype int64, wanted int32", &Steps::combine,
     [](Steps& s) { s.position.set_dtype(GGFP8_DLPACK_INT, 64); }},
    {kShape, "weight: got shape (4, 3), wanted (4, 2) like position", &Steps::combine,
     [](Steps& s) { s.weight.set_shape({4, 3}); }},
    {kShape, "out: got shape (4, 255), wanted (4, 256) like position and x", &Steps::combine,
     [](Steps& s) { s.out.set_shape({4, 255}); }},
    {kArgument, "out: got a read-only array, wanted a writable one", &Steps::combine,
     [](Steps& s) { s.flags = GGFP8_FLAG_OUT_READ_ONLY; }},
};

void test_refusals() {
  for (const Refusal& refusal : kRefusals) {
    Steps steps;
    refusal.change(steps);
    CHECK_EQ((steps.*refusal.call)(), refusal.status);
    if (!CHECK(std::string(ggfp8_last_error()) == refusal.sentence)) {
      std::cerr << "  got:    " << ggfp8_last_error() << "\n  wanted: " << refusal.sentence << "\n";
    }
    CHECK_EQ(steps.codes_memory[0], 1);
    CHECK_EQ(steps.out_memory[0], -1.0f);
    CHECK_EQ(steps.m_indptr_memory[0], 7);
  }
}

// Every array that a step writes must be apart from every other array of the step.
void test_overlap() {
  using Tensor = TestTensor Steps::*;
  struct Overlap {
    int32_t (Steps::*step)();
    std::vector<Tensor> read, written;
  };
  const Overlap overlaps[] = {
      {&Steps::route, {&Steps::index}, {&Steps::row_index, &Steps::position, &Steps::m_indptr}},
      {&Steps::quantize, {&Steps::x, &Steps::row_index}, {&Steps::codes, &Steps::scale}},
      {&Steps::silu, {&Steps::gate_up, &Steps::m_indptr}, {&Steps::codes, &Steps::scale}},
      {&Steps::combine, {&Steps::x, &Steps::position, &Steps::weight}, {&Steps::out}}};
  for (const Overlap& overlap : overlaps) {
    for (Tensor written : overlap.written) {
      std::vector<Tensor> others = overlap.read;
      others.insert(others.end(), overlap.written.begin(), overlap.written.end());
      for (Tensor other : others) {
        if (other == written) continue;
        Steps steps;
        (steps.*written).tensor.data = (steps.*other).tensor.data;
        CHECK_EQ((steps.*overlap.step)(), kArgument);
        CHECK(std::strstr(ggfp8_last_error(), "got memory that ") != nullptr);
      }
    }
  }
}

void test_arrays_without_elements() {
  Steps steps;
  steps.x.set_shape({0, Steps::kK});
  CHECK_EQ(steps.quantize(), GGFP8_SUCCESS);  // no row of x: every row is left alone
  CHECK_EQ(steps.codes_memory[0], 1);
  // No choice of any token: every row of out is left alone.
  const TestTensor no_choices = {GGFP8_DLPACK_INT, 32, {4, 0}, nullptr};
  TestTensor tokens = {GGFP8_DLPACK_BFLOAT, 16, {4, Steps::kK}, steps.x_memory.data()};
  CHECK_EQ(ggfp8_quantize_groupwise_tensors(tokens.get(), nullptr, TestTensor(no_choices).get(),
                                            steps.codes.get(), steps.scale.get(), nullptr, nullptr),
           GGFP8_SUCCESS);
  CHECK_EQ(steps.codes_memory[0], 1);
  steps.gate_up.set_shape({0, 2 * Steps::kK});
  steps.codes.set_shape({0, Steps::kK});
  steps.scale.set_shape({2, 0});
  CHECK_EQ(steps.silu(), GGFP8_SUCCESS);
  steps.index.set_shape({0, 2});
  steps.row_index.set_shape({0});
  steps.position.set_shape({0, 2});
  CHECK_EQ(steps.route(), GGFP8_SUCCESS);
  CHECK(steps.m_indptr_memory == std::vector<int32_t>(Steps::kGroups + 1, 0));
}

void test_bytes_as_fp8() {
  Steps steps;
  steps.route();
  steps.codes.set_dtype(GGFP8_DLPACK_UINT, 8);
  steps.options.out_dtype = GGFP8_DTYPE_FLOAT8_E5M2;
  CHECK_EQ(steps.quantize(), GGFP8_SUCCESS);
  CHECK_EQ(steps.codes_memory[0], 0x7B);
}

// A CPU needs no workspace, but looks at the one it gets.
void test_workspace() {
  std::vector<uint8_t> memory(1000);
  const auto route = [&](Steps& steps, TestTensor workspace, uint32_t flags) {
    return ggfp8_route_tensors(steps.index.get(), steps.row_index.get(), steps.position.get(),
                               steps.m_indptr.get(), workspace.get(), flags, nullptr);
  };
  const TestTensor bytes = {GGFP8_DLPACK_UINT, 8, {1000}, memory.data()};
  Steps steps;
  CHECK_EQ(route(steps, bytes, GGFP8_FLAG_WORKSPACE_READ_ONLY), kArgument);
  CHECK(std::strstr(ggfp8_last_error(), "workspace: got a read-only array") != nullptr);
  CHECK_EQ(route(steps, {GGFP8_DLPACK_FLOAT, 32, {250}, memory.data()}, 0), kDtype);
  CHECK_EQ(route(steps, {GGFP8_DLPACK_UINT, 8, {4}, steps.position_memory.data()}, 0), kArgument);
  CHECK_EQ(steps.m_indptr_memory[0], 7);
  CHECK_EQ(route(steps, bytes, 0), GGFP8_SUCCESS);
}

// Sizes at the end of int64, alone or with an axis of no elements, are refused, and no arithmetic
// of the checks overflows (the sanitizer build watches).
void test_extreme_sizes() {
  using Step = int32_t (Steps::*)();
  TestTensor Steps::* const tensors[] = {
      &Steps::index,   &Steps::row_index, &Steps::position, &Steps::m_indptr, &Steps::x,
      &Steps::gate_up, &Steps::codes,     &Steps::scale,    &Steps::weight,   &Steps::out};
  int num_refused = 0;
  for (Step step : {&Steps::route, &Steps::quantize, &Steps::silu, &Steps::combine}) {
    for (TestTensor Steps::* tensor : tensors) {
      for (int64_t size : {INT64_MAX, INT64_MAX - 126, int64_t{1} << 62, int64_t{1} << 31}) {
        for (bool has_elements : {true, false}) {
          for (size_t axis = 0; axis < (Steps().*tensor).shape.size(); ++axis) {
            Steps steps;
            std::vector<int64_t>& shape = (steps.*tensor).shape;
            if (!has_elements) std::fill(shape.begin(), shape.end(), 0);
            shape[axis] = size;  // the strides stay
            const int32_t status = (steps.*step)();
            num_refused += status != GGFP8_SUCCESS ? 1 : 0;
            // An array that the step does not take changes nothing.
            CHECK(status == GGFP8_SUCCESS || status == kShape ||
                  status == GGFP8_ERROR_INVALID_STRIDE);
          }
        }
      }
    }
  }
  CHECK(num_refused >= 200);
}

}  // namespace

int main() {
  test_a_chain_of_steps();
  test_extreme_sizes();
  test_refusals();
  test_overlap();
  test_arrays_without_elements();
  test_bytes_as_fp8();
  test_workspace();
  return check::report();
}
