// The tile registers of AMX in software: the model of TDPBF16PS that amx_gemm_test compares with
// the instruction, and with which the backend's code runs on processors without AMX.
//
// NOTE: amx_soft_tile.cpp includes it with instruction-set flags, so it uses no function of another
// header.
#pragma once

#include <cstdint>

namespace amx_model {

constexpr int kTileBytes = 1024;  // 16 rows of 32 bfloat16 or 16 float32 elements

inline __attribute__((always_inline)) float from_bf16(uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
}

// Returns x, or a zero of its sign where x is subnormal.
inline __attribute__((always_inline)) float flushed(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  return (bits & 0x7F800000) != 0 ? x : __builtin_bit_cast(float, bits & 0x80000000);
}

// Registers with the members that amx_gemm_tile.h asks for.
class SoftRegisters {
 public:
  template <int kTile>
  void zero() {
    __builtin_memset(tiles_[kTile], 0, kTileBytes);
  }
  template <int kTile>
  void load(const void* from) {
    __builtin_memcpy(tiles_[kTile], from, kTileBytes);
  }
  template <int kTile>
  void store(void* to) {
    __builtin_memcpy(to, tiles_[kTile], kTileBytes);
  }

  // sums[m][n] += x[m][k] * y[k / 2][n][k % 2], over the 32 k. Each product is added to the sum of
  // even or of odd k with one rounding; the two are added, and then added to sums. Subnormal
  // operands and results are zeros of their sign throughout.
  template <int kSums, int kX, int kY>
  void add_products() {
    float sums[16][16];
    uint16_t x[16][32], y[16][16][2];
    __builtin_memcpy(sums, tiles_[kSums], kTileBytes);
    __builtin_memcpy(x, tiles_[kX], kTileBytes);
    __builtin_memcpy(y, tiles_[kY], kTileBytes);
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 16; ++n) {
        float parts[2] = {0.0f, 0.0f};
        for (int k = 0; k < 32; ++k) {
          const float left = flushed(from_bf16(x[m][k]));
          const float right = flushed(from_bf16(y[k / 2][n][k % 2]));
          parts[k % 2] = flushed(__builtin_fmaf(left, right, parts[k % 2]));
        }
        sums[m][n] = flushed(flushed(sums[m][n]) + flushed(parts[0] + parts[1]));
      }
    }
    __builtin_memcpy(tiles_[kSums], sums, kTileBytes);
  }

 private:
  uint8_t tiles_[8][kTileBytes] = {};
};

}  // namespace amx_model
