// Problem: what is asked, after validation. Every layer below the C API speaks of this struct.
//
// api/validate makes it; select, plan and launch read it. Its invariants: every size, stride and
// code is legal for the contract, defaults are filled in, and `out` has at least one element.
#pragma once

#include <cstdint>

#include "core/math.h"

namespace ggfp8 {

// Numbered as in the public header.
enum class Dtype : int32_t {
  kFloat8E4M3 = 1,
  kFloat8E5M2 = 2,
  kBFloat16 = 3,
  kFloat16 = 4,
  kFloat32 = 5,
};

enum class ScaleMajor : int32_t { kMn = 1, kK = 2 };

enum class DeviceType : int32_t { kCpu = 1, kCuda = 2 };

constexpr int64_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kBFloat16:
    case Dtype::kFloat16: return 2;
    case Dtype::kFloat32: return 4;
    default: return 1;
  }
}

constexpr const char* name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat8E4M3: return "float8_e4m3fn";
    case Dtype::kFloat8E5M2: return "float8_e5m2";
    case Dtype::kBFloat16: return "bfloat16";
    case Dtype::kFloat16: return "float16";
    default: return "float32";
  }
}

struct Problem {
  const void* a = nullptr;
  const void* b = nullptr;
  const float* a_scale = nullptr;
  const float* b_scale = nullptr;
  const int32_t* m_indptr = nullptr;
  void* out = nullptr;

  int64_t cum_m = 0;
  int64_t n = 0;
  int64_t k = 0;
  int64_t batch_size = 0;

  // Strides in elements.
  int64_t a_row_stride = 0;
  int64_t b_row_stride = 0;
  int64_t b_group_stride = 0;
  int64_t out_row_stride = 0;

  // Every scale major in one form: a_scale[mb * m_stride + kb * k_stride] and
  // b_scale[g * group_stride + nb * n_stride + kb * k_stride].
  int64_t a_scale_m_stride = 0;
  int64_t a_scale_k_stride = 0;
  int64_t b_scale_n_stride = 0;
  int64_t b_scale_k_stride = 0;
  int64_t b_scale_group_stride = 0;

  Dtype a_dtype = Dtype::kFloat8E4M3;
  Dtype b_dtype = Dtype::kFloat8E4M3;
  Dtype out_dtype = Dtype::kBFloat16;

  int32_t granularity_m = 1;
  int32_t granularity_n = 128;
  int32_t granularity_k = 128;
  ScaleMajor a_scale_major = ScaleMajor::kMn;
  ScaleMajor b_scale_major = ScaleMajor::kMn;
  int32_t mma_sm = 1;

  DeviceType device_type = DeviceType::kCuda;
  int32_t device_id = 0;
  bool validate_m_indptr = false;
  const char* backend = nullptr;  // requested name, or null for automatic

  int64_t num_m_blocks = 0;  // ceil(cum_m / granularity_m)
  int64_t num_n_blocks = 0;  // ceil(n / granularity_n)
  int64_t num_k_blocks = 0;  // ceil(k / granularity_k)

  // Whether every row of out begins at a multiple of so many bytes.
  bool out_rows_aligned(int64_t bytes) const {
    return is_aligned(out, bytes) && out_row_stride * size_of(out_dtype) % bytes == 0;
  }
};

}  // namespace ggfp8
