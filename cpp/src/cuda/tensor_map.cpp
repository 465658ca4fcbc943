#include "cuda/tensor_map.h"

#include <cuda_runtime_api.h>

#include "cuda/cuda_status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {
namespace {

using EncodeTiled = decltype(&cuTensorMapEncodeTiled);

// The driver's function, found at run time: the library does not link the driver.
EncodeTiled find_encode_tiled() noexcept {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
  constexpr unsigned kFirstVersion = 12000;
  if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, kFirstVersion,
                                       cudaEnableDefault, &result) != cudaSuccess) {
    (void)cudaGetLastError();
    return nullptr;
  }
  return result == cudaDriverEntryPointSuccess ? reinterpret_cast<EncodeTiled>(function) : nullptr;
}

}  // namespace

Status encode_tensor_map(const ByteMatrices& matrices, int box_rows, CUtensorMap* map) noexcept {
  static const EncodeTiled encode_tiled = find_encode_tiled();
  if (encode_tiled == nullptr) {
    return fail(GGFP8_ERROR_CUDA, "cuTensorMapEncodeTiled: the driver does not have it");
  }
  const cuuint64_t sizes[3] = {static_cast<cuuint64_t>(matrices.row_bytes),
                               static_cast<cuuint64_t>(matrices.num_rows),
                               static_cast<cuuint64_t>(matrices.num_matrices)};
  const cuuint64_t strides[2] = {static_cast<cuuint64_t>(matrices.row_stride),
                                 static_cast<cuuint64_t>(matrices.matrix_stride)};
  const cuuint32_t box[3] = {128, static_cast<cuuint32_t>(box_rows), 1};
  const cuuint32_t steps[3] = {1, 1, 1};
  const CUresult result =
      encode_tiled(map, CU_TENSOR_MAP_DATA_TYPE_UINT8, 3, const_cast<void*>(matrices.data), sizes,
                   strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                   CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result == CUDA_SUCCESS) return kSuccess;
  return fail(GGFP8_ERROR_CUDA, "cuTensorMapEncodeTiled: error %d", static_cast<int>(result));
}

}  // namespace ggfp8
