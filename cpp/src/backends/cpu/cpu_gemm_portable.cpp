// The portable path: plain C++ for any processor. Selected by name "portable".
#include <cmath>
#include <cstring>

#include "backends/cpu/cpu_fp8_decode.h"
#include "backends/cpu/cpu_gemm_tile.h"

namespace ggfp8 {
namespace {

// Four lanes, as GCC and Clang offer them for every processor.
using Float4 = float __attribute__((vector_size(16)));

GGFP8_INLINE Float4 load(const float* values) {
  Float4 result;
  std::memcpy(&result, values, sizeof(result));
  return result;
}

struct Portable {
  static constexpr int kRows = 4;
  static constexpr int kCols = 8;

  template <Dtype kDtype>
  static void decode_rows(const uint8_t* a, int64_t stride, int64_t num_rows, int64_t num_k,
                          float* values) {
    for (int64_t row = 0; row < num_rows; ++row) {
      const uint8_t* codes = a + row * stride;
      for (int64_t k = 0; k < num_k; ++k) {
        values[row * kMaxGranularityK + k] = kFp8Values<kDtype>[codes[k]];
      }
    }
  }

  template <Dtype kDtype>
  static void decode_panel(const uint8_t* b, int64_t stride, int64_t num_cols, int64_t num_k,
                           float* panel) {
    for (int64_t col = 0; col < kCols; ++col) {
      const uint8_t* codes = b + lesser(col, num_cols - 1) * stride;
      for (int64_t k = 0; k < num_k; ++k) panel[k * kCols + col] = kFp8Values<kDtype>[codes[k]];
    }
  }

  template <int kNumRows>
  static void multiply(const float* a, const float* panel, int64_t num_k, const float* sfa,
                       const float* sfb, float* acc) {
    Float4 sum[kNumRows][2] = {};
    for (int64_t k = 0; k < num_k; ++k) {
      const Float4 b0 = load(panel + k * kCols);
      const Float4 b1 = load(panel + k * kCols + 4);
      GGFP8_UNROLL for (int row = 0; row < kNumRows; ++row) {
        const float value = a[row * kMaxGranularityK + k];
        sum[row][0] += value * b0;
        sum[row][1] += value * b1;
      }
    }
    GGFP8_UNROLL for (int row = 0; row < kNumRows; ++row) {
      for (int col = 0; col < kCols; ++col) {
        float& main_acc = acc[row * kMaxTileCols + col];
        main_acc = std::fma(sfa[row] * sfb[col], sum[row][col / 4][col % 4], main_acc);
      }
    }
  }
};

}  // namespace

extern const CpuIsa kPortableIsa = {"portable", "portable 4x8", compute_tile<Portable>,
                                    decode_codes<Portable>};

}  // namespace ggfp8
