// stmatrix: a warp stores 8x8 matrices of 16-bit elements to shared memory (sm_90 and later).
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

// Stores four matrices. Lanes 8i..8i+7 hold the addresses of the eight 16-byte rows of matrix i.
// Lane l gives the 4 bytes of each matrix at row l / 4, from byte 4 * (l % 4) on.
__device__ __forceinline__ void stmatrix_x4(uint32_t smem_row, const uint32_t (&registers)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(smem_row),
               "r"(registers[0]), "r"(registers[1]), "r"(registers[2]), "r"(registers[3])
               : "memory");
}

}  // namespace ggfp8::ptx
