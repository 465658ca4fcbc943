// elect: one lane of a warp (sm_90 and later).
#pragma once

#include <cstdint>

namespace ggfp8::ptx {

// Returns true in one lane, always the same. Warp-collective.
__device__ __forceinline__ bool elect_one() {
  uint32_t is_elected;
  asm volatile(
      "{\n"
      ".reg .pred elected;\n"
      "elect.sync _|elected, 0xFFFFFFFF;\n"
      "selp.u32 %0, 1, 0, elected;\n"
      "}"
      : "=r"(is_elected));
  return is_elected != 0;
}

}  // namespace ggfp8::ptx
