// ldmatrix: a warp loads 8x8 matrices of 16-bit elements from shared memory.
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

// Loads four matrices. Lanes 8i..8i+7 hold the addresses of the eight 16-byte rows of matrix i.
// Lane l receives the 4 bytes of each matrix at row l / 4, from byte 4 * (l % 4) on.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&registers)[4], uint32_t smem_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(smem_row)
               : "memory");
}

}  // namespace ggfp8::ptx
