// griddepcontrol: kernels that begin while the kernel before them on the stream still runs (sm_90
// and later). Elsewhere, and in a launch that does not allow it, there is nothing to wait for.
#pragma once

namespace ggfp8::ptx {

// Waits until the kernels before have ended and what they wrote can be read, and lets the kernel
// after this one begin, which then waits in the same way. A thread may touch global memory after
// its own call, or after a barrier at which a thread arrives after its call.
__device__ __forceinline__ void wait_for_kernels_before() {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "griddepcontrol.wait;\n"
      "griddepcontrol.launch_dependents;" ::
          : "memory");
#endif
}

}  // namespace ggfp8::ptx
