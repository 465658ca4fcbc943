// Arrays that a call must just take or just refuse: axes of one element with any stride, every
// array on another device, views with swapped axes, workspaces of every type and address.
#include <cstdint>
#include <string>
#include <vector>

#include "api/tensor_workspace.h"
#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "tensor_call.h"

namespace {

using Tensor = TestTensor TestCall::*;

constexpr Tensor kInputs[] = {&TestCall::a, &TestCall::b, &TestCall::a_scale, &TestCall::b_scale,
                              &TestCall::m_indptr};
constexpr Tensor kAll[] = {&TestCall::a,        &TestCall::b,        &TestCall::a_scale,
                           &TestCall::b_scale,  &TestCall::m_indptr, &TestCall::out,
                           &TestCall::workspace};
constexpr const char* kNames[] = {"a", "b", "a_scale", "b_scale", "m_indptr", "out", "workspace"};

// One row, one group, one block of each scale: what an axis of one element says of its stride is
// not read, on any axis of any array.
void check_axes_of_one_element() {
  for (int64_t stride : {int64_t{0}, int64_t{-1}, int64_t{7}, INT64_MAX, INT64_MIN}) {
    for (Tensor tensor : kAll) {
      TestCall call;
      call.a.set_shape({1, 128});
      call.b.set_shape({1, 8, 128});
      call.a_scale.set_shape({1, 1});
      call.b_scale.set_shape({1, 1, 1});
      call.m_indptr_memory = {0, 1};
      call.m_indptr.tensor.data = call.m_indptr_memory.data();
      call.m_indptr.set_shape({2});
      call.out.set_shape({1, 8});
      call.workspace.set_shape({1});
      TestTensor& x = call.*tensor;
      for (size_t axis = 0; axis < x.shape.size(); ++axis) {
        if (x.shape[axis] == 1) x.strides[axis] = stride;
      }
      CHECK_EQ(call.run(true), GGFP8_SUCCESS);
      CHECK_EQ(call.out_memory[0], 256.0f);
      CHECK_EQ(call.out_memory[7], 256.0f);
      CHECK_EQ(call.out_memory[8], -1.0f);
    }
  }
}

// One array on another device, or on another device of the same type, is refused by its name.
void check_devices() {
  for (size_t i = 1; i < std::size(kAll); ++i) {
    TestCall other_type, other_ordinal;
    (other_type.*kAll[i]).tensor.device_type = GGFP8_DEVICE_CUDA;
    for (Tensor tensor : kAll) (other_ordinal.*tensor).tensor.device_type = GGFP8_DEVICE_CUDA;
    (other_ordinal.*kAll[i]).tensor.device_id = 1;
    for (TestCall* call : {&other_type, &other_ordinal}) {
      CHECK_EQ(call->run(true), GGFP8_ERROR_INVALID_DEVICE);
      const std::string wanted = std::string(kNames[i]) + ": got an array on cuda:";
      CHECK(std::string(ggfp8_last_error()).starts_with(wanted));
      CHECK(call->out_is_untouched());
    }
  }
}

// Steps of two elements on the last axis are refused in every array.
void check_inner_strides() {
  for (size_t i = 0; i < std::size(kAll); ++i) {
    TestCall call;
    TestTensor& x = call.*kAll[i];
    if (x.shape.back() == 1) continue;
    for (int64_t& stride : x.strides) stride *= 2;
    CHECK_EQ(call.run(true), GGFP8_ERROR_INVALID_STRIDE);
    CHECK(std::string(ggfp8_last_error()).starts_with(std::string(kNames[i]) + ": got strides"));
    CHECK(call.out_is_untouched());
  }
}

// A view with swapped axes is taken as a_scale and refused as b_scale, whose mistakes it would
// hide.
void check_swapped_axes() {
  TestCall a_scale;
  a_scale.a_scale_memory = {1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32};
  a_scale.a_scale.tensor.data = a_scale.a_scale_memory.data();
  a_scale.a_scale.strides = {1, 2};
  CHECK_EQ(a_scale.run(), GGFP8_SUCCESS);
  CHECK(a_scale.out_is_right());
  TestCall b_scale;
  b_scale.options.scale_granularity_n = 1;
  b_scale.b_scale_memory = std::vector<float>(2 * 2 * 16, 1);
  b_scale.b_scale.tensor.data = b_scale.b_scale_memory.data();
  b_scale.b_scale.set_shape({2, 2, 16});
  CHECK_EQ(b_scale.run(), GGFP8_SUCCESS);
  CHECK(b_scale.out_is_right());
  b_scale.b_scale.strides = {32, 1, 2};
  CHECK_EQ(b_scale.run(), GGFP8_ERROR_INVALID_STRIDE);
  CHECK(std::string(ggfp8_last_error()).starts_with("b_scale: got strides (32, 1, 2)"));
}

void check_workspace_types() {
  struct Type {
    uint32_t code;
    int bits;
    int lanes;
    int32_t status;
  };
  const Type types[] = {{GGFP8_DLPACK_UINT, 8, 1, GGFP8_SUCCESS},
                        {GGFP8_DLPACK_INT, 8, 1, GGFP8_SUCCESS},
                        {GGFP8_DLPACK_OPAQUE, 8, 1, GGFP8_SUCCESS},
                        {6, 8, 1, GGFP8_ERROR_INVALID_DTYPE},  // bool
                        {GGFP8_DLPACK_FLOAT8_E4M3FN, 8, 1, GGFP8_ERROR_INVALID_DTYPE},
                        {GGFP8_DLPACK_UINT, 8, 4, GGFP8_ERROR_INVALID_DTYPE},
                        {GGFP8_DLPACK_UINT, 16, 1, GGFP8_ERROR_INVALID_DTYPE}};
  for (const Type& type : types) {
    TestCall call;
    call.workspace.set_dtype(type.code, type.bits, type.lanes);
    CHECK_EQ(call.run(true), type.status);
  }
}

// The part of a workspace from its first aligned address on ends where the workspace ends.
void check_parts_of_workspaces() {
  alignas(GGFP8_WORKSPACE_ALIGNMENT) static char memory[1024];
  for (int64_t start : {0, 1, 255, 256, 257}) {
    for (int64_t bytes : {0, 1, 100, 255, 256, 257, 600}) {
      ggfp8::Array workspace = {};
      workspace.data = memory + start;
      workspace.shape = &bytes;
      workspace.rank = 1;
      const ggfp8::WorkspacePart part = ggfp8::aligned_part(workspace);
      const int64_t skipped = (256 - start % 256) % 256;
      if (bytes <= skipped) {
        CHECK_EQ(part.bytes, size_t{0});
        continue;
      }
      CHECK(part.data == memory + start + skipped);
      CHECK_EQ(part.bytes, static_cast<size_t>(bytes - skipped));
    }
  }
}

// The addresses of neighbours in memory are apart, also where one ends as the other begins.
void check_neighbours() {
  for (Tensor input : kInputs) {
    TestCall call;
    std::vector<uint8_t> memory(1 << 16, 0);
    TestTensor& x = call.*input;
    const int64_t out_bytes = TestCall::kRows * TestCall::kN * 4;
    x.tensor.data = memory.data() + out_bytes;
    call.out.tensor.data = memory.data();
    call.options.out_dtype = GGFP8_DTYPE_FLOAT32;
    CHECK_EQ(call.run(), GGFP8_SUCCESS);
    call.out.tensor.data = memory.data() + 4;
    CHECK_EQ(call.run(), GGFP8_ERROR_INVALID_ARGUMENT);
  }
}

// Rows of a_scale lie between rows of out with the same pitch, or reach into them.
void check_interleaved_rows() {
  constexpr int64_t kPitch = 256, kOutBytes = 4 * TestCall::kN, kScaleBytes = 4 * TestCall::kRows;
  std::vector<float> memory(static_cast<size_t>(kPitch * 8 / 4), 1.0f);
  for (int64_t offset = 0; offset < kPitch; offset += 4) {
    TestCall call;
    call.out.tensor.data = memory.data();
    call.out.strides = {kPitch / 4, 1};
    call.a_scale.tensor.data = memory.data() + offset / 4;
    call.a_scale.strides = {kPitch / 4, 1};
    const bool is_apart = offset >= kOutBytes && offset + kScaleBytes <= kPitch;
    CHECK_EQ(call.run(), is_apart ? GGFP8_SUCCESS : GGFP8_ERROR_INVALID_ARGUMENT);
  }
}

// An array without elements has no memory, wherever its address is.
void check_arrays_without_elements() {
  TestCall call;
  call.a.set_shape({TestCall::kRows, 0});
  call.b.set_shape({TestCall::kGroups, TestCall::kN, 0});
  call.a_scale.set_shape({0, TestCall::kRows});
  call.b_scale.set_shape({TestCall::kGroups, 0, 1});
  for (Tensor tensor : {&TestCall::a, &TestCall::b, &TestCall::a_scale, &TestCall::b_scale}) {
    (call.*tensor).tensor.data = call.out_memory.data() + 3;
  }
  CHECK_EQ(call.run(), GGFP8_SUCCESS);
  CHECK_EQ(call.out_memory[0], 0.0f);
}

}  // namespace

int main() {
  check_axes_of_one_element();
  check_devices();
  check_inner_strides();
  check_swapped_axes();
  check_workspace_types();
  check_parts_of_workspaces();
  check_neighbours();
  check_interleaved_rows();
  check_arrays_without_elements();
  return check::report();
}
