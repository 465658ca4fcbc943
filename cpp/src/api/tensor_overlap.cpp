#include "api/tensor_overlap.h"

namespace ggfp8 {
namespace {

// Addresses of an array, as rows of equal length at a constant distance where it has such rows.
struct Extent {
  uintptr_t begin = 0;
  uintptr_t end = 0;  // past the last byte; equal to begin without elements
  uintptr_t row_bytes = 0;
  uintptr_t pitch = 0;  // 0: no constant distance, or one row
};

uintptr_t stride_bytes(const Array& array, int32_t axis, uintptr_t element_bytes) {
  if (array.strides != nullptr) return static_cast<uintptr_t>(array.strides[axis]) * element_bytes;
  uintptr_t bytes = element_bytes;
  for (int32_t inner = axis + 1; inner < array.rank; ++inner) {
    bytes *= static_cast<uintptr_t>(array.shape[inner]);
  }
  return bytes;
}

Extent extent_of(const Array& array) {
  Extent extent;
  extent.begin = extent.end = reinterpret_cast<uintptr_t>(array.data);
  if (!array.has_elements()) return extent;
  const uintptr_t element_bytes = array.dtype.bits / 8u;
  extent.end += element_bytes;
  for (int32_t axis = array.rank - 1; axis >= 0; --axis) {
    if (array.shape[axis] == 1) continue;
    const uintptr_t step = stride_bytes(array, axis, element_bytes);
    if (axis == array.rank - 1) {
      extent.row_bytes = static_cast<uintptr_t>(array.shape[axis]) * element_bytes;
    } else if (extent.pitch == 0) {
      extent.pitch = step;
    } else if (step % extent.pitch != 0) {
      extent.pitch = 0;
      extent.row_bytes = 0;
    }
    extent.end += static_cast<uintptr_t>(array.shape[axis] - 1) * step;
  }
  if (extent.row_bytes == 0) extent.row_bytes = element_bytes;
  return extent;
}

// Whether the rows have one pitch and lie in different parts of it.
bool interleave(const Extent& x, const Extent& y) {
  if (x.pitch == 0 || x.pitch != y.pitch) return false;
  const uintptr_t x_start = x.begin % x.pitch, y_start = y.begin % x.pitch;
  const uintptr_t y_after_x = (y_start + x.pitch - x_start) % x.pitch;
  return y_after_x >= x.row_bytes && y_after_x + y.row_bytes <= x.pitch;
}

bool have_common_memory(const Extent& x, const Extent& y) {
  if (x.begin == x.end || y.begin == y.end) return false;
  return x.begin < y.end && y.begin < x.end && !interleave(x, y);
}

}  // namespace

Status check_apart(const Array& written, std::span<const Array* const> others) noexcept {
  const Extent x = extent_of(written);
  for (const Array* other : others) {
    const Extent y = extent_of(*other);
    if (!have_common_memory(x, y)) continue;
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "%s: got memory that %s has too (%p to %p and %p to %p), wanted memory of its own",
                written.name, other->name, reinterpret_cast<void*>(x.begin),
                reinterpret_cast<void*>(x.end), reinterpret_cast<void*>(y.begin),
                reinterpret_cast<void*>(y.end));
  }
  return kSuccess;
}

}  // namespace ggfp8
