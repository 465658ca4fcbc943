#include "api/tensor_groups.h"

#include <cinttypes>

namespace ggfp8 {
namespace {

const char* meaning_of(GroupKind kind) {
  switch (kind) {
    case GroupKind::kIndptr:
      return "batch_size + 1 bounds, starting with the first group's first row (usually 0)";
    case GroupKind::kEnds: return "the row after the last one of each group";
    default: return "the number of rows of each group";
  }
}

}  // namespace

Status read_group_tensor(const Array& groups, GroupKind kind, int64_t batch_size,
                         ggfp8_group_gemm_args* args) noexcept {
  if (groups.dtype != kTensorInt32 && groups.dtype != kTensorInt64) {
    return fail(GGFP8_ERROR_INVALID_DTYPE, "%s: got dtype %s, wanted int32 or int64", groups.name,
                name_of(groups.dtype).text);
  }
  args->group_dtype = dtype_code_of(groups.dtype);
  const int64_t wanted[] = {num_group_values(kind, batch_size)};
  if (has_shape(groups, wanted)) return check_strides(groups);
  const bool is_indptr = kind == GroupKind::kIndptr;
  const int64_t other[] = {is_indptr ? batch_size : batch_size + 1};
  const char* const slip =
      is_indptr ? "; these look like m_counts or m_ends" : "; this is the length of an m_indptr";
  return fail(GGFP8_ERROR_INVALID_SHAPE, "%s: got shape %s, wanted (%" PRId64 ",): %s%s",
              groups.name, shape_text(groups).text, wanted[0], meaning_of(kind),
              has_shape(groups, other) ? slip : "");
}

}  // namespace ggfp8
