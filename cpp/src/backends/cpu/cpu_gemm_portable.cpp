// The portable path: plain C++ for any processor. Selected by name "portable".
#include <cmath>
#include <cstring>

#include "backends/cpu/cpu_gemm_tile.h"
#include "host/fp8_values.h"

namespace ggfp8 {
namespace {

struct Portable {
  using Floats = float __attribute__((vector_size(16)));  // GCC and Clang have it everywhere
  static constexpr int kRows = 4;
  static constexpr int kLanes = 4;

  static GGFP8_INLINE Floats load(const float* x) {
    Floats result;
    std::memcpy(&result, x, sizeof(result));
    return result;
  }
  static GGFP8_INLINE Floats broadcast(const float* x) { return Floats{*x, *x, *x, *x}; }
  static GGFP8_INLINE Floats add_product(Floats sum, Floats x, Floats y) { return sum + x * y; }
  static GGFP8_INLINE void promote(const float* sfa, const float* sfb, Floats sum, float* acc) {
    for (int i = 0; i < kLanes; ++i) acc[i] = std::fma(*sfa * sfb[i], sum[i], acc[i]);
  }

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
    constexpr int64_t kCols = 2 * kLanes;
    for (int64_t col = 0; col < kCols; ++col) {
      const uint8_t* codes = b + lesser(col, num_cols - 1) * stride;
      for (int64_t k = 0; k < num_k; ++k) panel[k * kCols + col] = kFp8Values<kDtype>[codes[k]];
    }
  }
};

}  // namespace

extern const CpuIsa kPortableIsa = {InstructionSet::kPortable, "portable", "portable 4x8",
                                    compute_tile<Portable>, decode_codes<Portable>};

}  // namespace ggfp8
