// ex2 and rcp: 2^x and 1 / x, to one or two units in the last place, subnormals included.
#pragma once

namespace ggfp8::ptx {

__device__ __forceinline__ float exp2_approx(float x) {
  float result;
  asm("ex2.approx.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

__device__ __forceinline__ float reciprocal_approx(float x) {
  float result;
  asm("rcp.approx.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

}  // namespace ggfp8::ptx
