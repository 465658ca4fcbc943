#include "api/tensor_scales.h"

#include <span>

namespace ggfp8 {
namespace {

// The sizes of the axes, without that of matrices where there is none.
class Axes {
 public:
  Axes(const ScaleShape& shape, ScaleMajor major) {
    if (shape.num_matrices != ScaleShape::kOneMatrix) sizes_[rank_++] = shape.num_matrices;
    const bool mn_major = major == ScaleMajor::kMn;
    sizes_[rank_++] = mn_major ? shape.num_k_blocks : shape.num_mn_blocks;
    sizes_[rank_++] = mn_major ? shape.num_mn_blocks : shape.num_k_blocks;
  }

  std::span<const int64_t> get() const { return {sizes_, rank_}; }

 private:
  int64_t sizes_[3] = {};
  size_t rank_ = 0;
};

ScaleMajor other_of(ScaleMajor major) {
  return major == ScaleMajor::kMn ? ScaleMajor::kK : ScaleMajor::kMn;
}

const char* mode_of(ScaleMajor major) {
  return major == ScaleMajor::kMn ? "MN" : "K";
}

Status check_scale_dtype(const Array& scale) {
  if (scale.dtype != kTensorFloat8E8m0fnu) return check_dtype(scale, kTensorFloat32);
  return fail(GGFP8_ERROR_INVALID_DTYPE,
              "%s: got dtype float8_e8m0fnu, wanted float32; convert the scales once: .float() of "
              "PyTorch, .astype('float32') of NumPy and JAX",
              scale.name);
}

Status check_shape(const Array& scale, const ScaleShape& shape, ScaleMajor major,
                   const Problem& options) {
  const Axes wanted(shape, major);
  if (has_shape(scale, wanted.get())) return kSuccess;
  Message slip;
  if (has_shape(scale, Axes(shape, other_of(major)).get())) {
    slip.append(", that is the layout of scale_major_mode='%s'", mode_of(other_of(major)));
  }
  const std::span<const int64_t> sizes = wanted.get();
  return fail(GGFP8_ERROR_INVALID_SHAPE,
              "%s: got shape %s%s, wanted %s for scale_major_mode='%s' and scale_granularity_mnk "
              "(%d, %d, %d)",
              scale.name, shape_text(scale).text, slip.text,
              shape_text(sizes.data(), static_cast<int32_t>(sizes.size())).text, mode_of(major),
              options.granularity_m, options.granularity_n, options.granularity_k);
}

// Whether the first of the last two axes is the contiguous one.
bool is_transposed(const Array& scale) {
  const int32_t last = scale.rank - 1;
  return has_stride(scale, last) && scale.strides[last] != 1 &&
         (!has_stride(scale, last - 1) || scale.strides[last - 1] == 1);
}

Status check_swapped_strides(const Array& scale) {
  const bool has_positive = scale.strides[scale.rank - 1] > 0 &&
                            (scale.rank == 2 || !has_stride(scale, 0) || scale.strides[0] > 0);
  if (has_positive) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_STRIDE,
              "%s: got strides %s, wanted positive ones; pass a contiguous %s", scale.name,
              shape_text(scale.strides, scale.rank).text, scale.name);
}

}  // namespace

Status read_scale(const Array& scale, const ScaleShape& shape, ScaleMajor major,
                  const Problem& options, SwappedAxes swapped_axes, ScaleMemory* memory) noexcept {
  if (Status s = check_scale_dtype(scale)) return s;
  if (Status s = check_shape(scale, shape, major, options)) return s;
  const bool transposed = swapped_axes == SwappedAxes::kAllowed && is_transposed(scale);
  if (Status s = transposed ? check_swapped_strides(scale) : check_strides(scale)) return s;
  const int32_t slow = scale.rank - (transposed ? 1 : 2);
  const int32_t fast = scale.rank - (transposed ? 2 : 1);
  memory->major = static_cast<int32_t>(transposed ? other_of(major) : major);
  memory->num_steps = scale.shape[slow];
  return read_stride(scale, slow, {scale.shape[fast], 1}, &memory->stride);
}

}  // namespace ggfp8
