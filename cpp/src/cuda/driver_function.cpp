#include "cuda/driver_function.h"

#include <cuda_runtime_api.h>

namespace ggfp8 {

void* find_driver_function(const char* name, unsigned version) noexcept {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
  if (cudaGetDriverEntryPointByVersion(name, &function, version, cudaEnableDefault, &result) !=
      cudaSuccess) {
    (void)cudaGetLastError();
    return nullptr;
  }
  return result == cudaDriverEntryPointSuccess ? function : nullptr;
}

}  // namespace ggfp8
