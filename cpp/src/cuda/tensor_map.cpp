#include "cuda/tensor_map.h"

#include "core/remembered.h"
#include "cuda/driver_function.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {
namespace {

using EncodeTiled = decltype(&cuTensorMapEncodeTiled);

Status find_encode_tiled(EncodeTiled* found) noexcept {
  *found = reinterpret_cast<EncodeTiled>(find_driver_function("cuTensorMapEncodeTiled", 12000));
  if (*found != nullptr) return kSuccess;
  return fail(GGFP8_ERROR_CUDA, "cuTensorMapEncodeTiled: the driver does not have it");
}

Remembered<EncodeTiled> known_encode_tiled;

constexpr int kPieceBytes = 128;  // of a row, in a box

// Sizes of a tensor and of a box, from the innermost dimension on, and strides of the others.
template <int kRank>
struct BoxedTensor {
  cuuint64_t sizes[kRank];
  cuuint64_t strides[kRank - 1];
  cuuint32_t box[kRank];
};

template <int kRank>
Status encode(const void* data, const BoxedTensor<kRank>& tensor, CUtensorMap* map) noexcept {
  EncodeTiled encode_tiled = nullptr;
  if (Status s = known_encode_tiled.get(find_encode_tiled, &encode_tiled)) return s;
  constexpr cuuint32_t kSteps[5] = {1, 1, 1, 1, 1};
  const CUresult result = encode_tiled(
      map, CU_TENSOR_MAP_DATA_TYPE_UINT8, kRank, const_cast<void*>(data), tensor.sizes,
      tensor.strides, tensor.box, kSteps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result == CUDA_SUCCESS) return kSuccess;
  return fail(GGFP8_ERROR_CUDA, "cuTensorMapEncodeTiled: error %d", static_cast<int>(result));
}

cuuint64_t size(int64_t value) {
  return static_cast<cuuint64_t>(value);
}

}  // namespace

Status encode_tensor_map(const ByteMatrices& matrices, int box_rows, CUtensorMap* map) noexcept {
  const BoxedTensor<3> tensor = {
      .sizes = {size(matrices.row_bytes), size(matrices.num_rows), size(matrices.num_matrices)},
      .strides = {size(matrices.row_stride), size(matrices.matrix_stride)},
      .box = {kPieceBytes, static_cast<cuuint32_t>(box_rows), 1}};
  return encode(matrices.data, tensor, map);
}

Status encode_deep_tensor_map(const ByteMatrices& matrices, int box_rows, int depth,
                              CUtensorMap* map) noexcept {
  const BoxedTensor<4> tensor = {
      .sizes = {kPieceBytes, size(matrices.num_rows), size(matrices.row_bytes / kPieceBytes),
                size(matrices.num_matrices)},
      .strides = {size(matrices.row_stride), kPieceBytes, size(matrices.matrix_stride)},
      .box = {kPieceBytes, static_cast<cuuint32_t>(box_rows), static_cast<cuuint32_t>(depth), 1}};
  return encode(matrices.data, tensor, map);
}

}  // namespace ggfp8
