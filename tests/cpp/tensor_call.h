// A small legal call of the functions that take arrays, for tests to change and to run.
//
// Rows 0 to 1 belong to group 0, rows 2 to 5 to group 1. a is ones and b twos, and the scale of row
// r is 2^r, so that out[r, :] = 512 * 2^r.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "groupgemm_fp8/groupgemm_fp8.h"

// An array that owns its description, but not its memory.
struct TestTensor {
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  ggfp8_tensor tensor = {};

  TestTensor(uint32_t code, int bits, std::vector<int64_t> sizes, const void* data) : shape(sizes) {
    tensor.data = const_cast<void*>(data);
    tensor.device_type = GGFP8_DEVICE_CPU;
    tensor.dtype_code = static_cast<uint8_t>(code);
    tensor.dtype_bits = static_cast<uint8_t>(bits);
    tensor.dtype_lanes = 1;
    make_dense();
  }

  void set_shape(std::vector<int64_t> sizes) {
    shape = sizes;
    make_dense();
  }

  void set_dtype(uint32_t code, int bits, int lanes = 1) {
    tensor.dtype_code = static_cast<uint8_t>(code);
    tensor.dtype_bits = static_cast<uint8_t>(bits);
    tensor.dtype_lanes = static_cast<uint16_t>(lanes);
  }

  void make_dense() {
    strides.assign(shape.size(), 1);
    for (size_t axis = shape.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * shape[axis];
  }

  const ggfp8_tensor* get() {
    tensor.ndim = static_cast<int32_t>(shape.size());
    tensor.shape = shape.data();
    tensor.strides = strides.data();
    return &tensor;
  }
};

struct TestCall {
  static constexpr int64_t kRows = 6, kN = 16, kK = 256, kGroups = 2, kKBlocks = 2;

  std::vector<uint8_t> a_memory = std::vector<uint8_t>(kRows * 2 * kK + 64, 0x38);
  std::vector<uint8_t> b_memory = std::vector<uint8_t>(kGroups * kN * 2 * kK, 0x40);
  std::vector<float> a_scale_memory = {1, 2, 4, 8, 16, 32, 1, 2, 4, 8, 16, 32};
  std::vector<float> b_scale_memory = std::vector<float>(kGroups * kKBlocks, 1);
  std::vector<int32_t> m_indptr_memory = {0, 2, 6, 6};
  std::vector<float> out_memory = std::vector<float>(kRows * 2 * kN, -1);
  std::vector<uint8_t> workspace_memory = std::vector<uint8_t>(1024);

  TestTensor a = {GGFP8_DLPACK_FLOAT8_E4M3FN, 8, {kRows, kK}, a_memory.data()};
  TestTensor b = {GGFP8_DLPACK_FLOAT8_E4M3FN, 8, {kGroups, kN, kK}, b_memory.data()};
  TestTensor a_scale = {GGFP8_DLPACK_FLOAT, 32, {kKBlocks, kRows}, a_scale_memory.data()};
  TestTensor b_scale = {GGFP8_DLPACK_FLOAT, 32, {kGroups, kKBlocks, 1}, b_scale_memory.data()};
  TestTensor m_indptr = {GGFP8_DLPACK_INT, 32, {kGroups + 1}, m_indptr_memory.data()};
  TestTensor out = {GGFP8_DLPACK_FLOAT, 32, {kRows, kN}, out_memory.data()};
  TestTensor workspace = {GGFP8_DLPACK_UINT, 8, {1024}, workspace_memory.data()};
  ggfp8_group_gemm_options options = GGFP8_GROUP_GEMM_OPTIONS_INIT;

  TestCall() = default;
  TestCall(const TestCall&) = delete;  // the tensors point into the memory
  TestCall& operator=(const TestCall&) = delete;

  int32_t run(bool with_workspace = false) {
    return ggfp8_group_gemm_nt_groupwise_tensors(
        a.get(), b.get(), a_scale.get(), b_scale.get(), m_indptr.get(), out.get(),
        with_workspace ? workspace.get() : nullptr, &options, nullptr);
  }

  int32_t make_args(ggfp8_group_gemm_args* args, bool with_out = true) {
    return ggfp8_group_gemm_args_from_tensors(a.get(), b.get(), a_scale.get(), b_scale.get(),
                                              m_indptr.get(), with_out ? out.get() : nullptr,
                                              &options, args);
  }

  bool out_is_right() const {
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t col = 0; col < kN; ++col) {
        const auto idx = static_cast<size_t>(row * out.strides[0] + col);
        if (out_memory[idx] != 512.0f * static_cast<float>(1 << row)) return false;
      }
    }
    return true;
  }

  bool out_is_untouched() const { return out_memory == std::vector<float>(out_memory.size(), -1); }
};
