// From C++: quantize float matrices to E4M3 with one scale per 128 elements, multiply them per
// group on the CPU, and compare with the float product.
//
// The same call runs on a GPU when the pointers are device pointers, device_type is
// GGFP8_DEVICE_CUDA and the last argument is a cudaStream_t.
#include <groupgemm_fp8/groupgemm_fp8.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

namespace {

constexpr int64_t kBlock = 128;  // scale granularity along k, and along n for b

// The E4M3 byte nearest to value, |value| <= 448; ties go to the even mantissa.
uint8_t to_e4m3(float value) {
  const int sign = std::signbit(value) ? 0x80 : 0;
  const float magnitude = std::abs(value);
  const int exponent = std::max(magnitude > 0 ? std::ilogb(magnitude) : -6, -6);
  // Eighths of the leading power of two; a carry moves into the exponent field by itself.
  const int eighths = static_cast<int>(std::lrint(std::ldexp(magnitude, 3 - exponent)));
  return static_cast<uint8_t>(sign | (((exponent + 6) << 3) + eighths));
}

// A matrix of FP8 bytes with one scale per block of rows_per_block x 128 elements, K-major.
struct Quantized {
  std::vector<uint8_t> values;
  std::vector<float> scales;
};

Quantized quantize(const std::vector<float>& matrix, int64_t k, int64_t rows_per_block) {
  const int64_t rows = static_cast<int64_t>(matrix.size()) / k;
  const int64_t row_blocks = rows / rows_per_block;
  const int64_t k_blocks = k / kBlock;
  std::vector<float> scales(row_blocks * k_blocks, 1e-30f);  // not 0: zeros divide too
  const auto block_of = [&](int64_t i) {
    return i / k / rows_per_block * k_blocks + i % k / kBlock;
  };

  Quantized result;
  for (int64_t i = 0; i < rows * k; ++i) {
    float& scale = scales[block_of(i)];
    scale = std::max(scale, std::abs(matrix[i]) / 448.0f);
  }
  for (int64_t i = 0; i < rows * k; ++i) {
    result.values.push_back(to_e4m3(matrix[i] / scales[block_of(i)]));
  }
  result.scales = std::move(scales);
  return result;
}

}  // namespace

int main() {
  constexpr int64_t kRows = 24, kN = 128, kK = 256;
  const std::vector<int32_t> m_indptr = {0, 7, 7, 24};  // the second group is empty
  const int64_t groups = static_cast<int64_t>(m_indptr.size()) - 1;

  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> a(kRows * kK), b(groups * kN * kK), out(kRows * kN);
  for (float& x : a) x = normal(generator);
  for (float& x : b) x = normal(generator);
  const Quantized a8 = quantize(a, kK, 1);
  const Quantized b8 = quantize(b, kK, kBlock);

  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  args.a = a8.values.data();
  args.b = b8.values.data();
  args.a_scale = a8.scales.data();
  args.b_scale = b8.scales.data();
  args.m_indptr = m_indptr.data();
  args.out = out.data();
  args.cum_m = kRows;
  args.n = kN;
  args.k = kK;
  args.batch_size = groups;
  args.scale_major = GGFP8_SCALE_MAJOR_K;
  args.out_dtype = GGFP8_DTYPE_FLOAT32;
  args.device_type = GGFP8_DEVICE_CPU;

  if (ggfp8_group_gemm_nt_groupwise(&args, nullptr, 0, nullptr) != GGFP8_SUCCESS) {
    std::fprintf(stderr, "%s\n", ggfp8_last_error());
    return 1;
  }

  double error = 0, norm = 0;
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t row = m_indptr[group]; row < m_indptr[group + 1]; ++row) {
      for (int64_t col = 0; col < kN; ++col) {
        double exact = 0;
        for (int64_t i = 0; i < kK; ++i) exact += a[row * kK + i] * b[(group * kN + col) * kK + i];
        error += std::pow(out[row * kN + col] - exact, 2);
        norm += exact * exact;
      }
    }
  }
  const double relative = std::sqrt(error / norm);
  std::printf("relative error of FP8 against float: %.4f\n", relative);
  return relative < 0.05 ? 0 : 1;
}
