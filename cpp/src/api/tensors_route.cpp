#include "api/tensors_route.h"

#include <cinttypes>

#include "api/tensor_checks.h"
#include "api/tensor_overlap.h"

namespace ggfp8 {
namespace {

using Args = ggfp8_route_args;

constexpr const char* kAxes = "(num_tokens, top_k)";
constexpr SizeRule kPairsRule = {1, GGFP8_MAX_ROUTED_ROWS};

Status read_top_k_index(const Array& index, Args* args) {
  const bool is_int64 = index.dtype == kTensorInt64;
  if (!is_int64 && index.dtype != kTensorInt32) {
    return fail(GGFP8_ERROR_INVALID_DTYPE, "top_k_index: got dtype %s, wanted int32 or int64",
                name_of(index.dtype).text);
  }
  if (Status s = check_rank(index, 2, kAxes)) return s;
  if (Status s = check_size(index, 0, kPairsRule, kAxes, "num_tokens")) return s;
  if (Status s = check_size(index, 1, kPairsRule, kAxes, "top_k")) return s;
  if (Status s = check_strides(index)) return s;
  args->top_k_index_dtype = is_int64 ? GGFP8_DTYPE_INT64 : GGFP8_DTYPE_INT32;
  args->num_tokens = index.shape[0];
  args->top_k = index.shape[1];
  if (args->num_tokens * args->top_k > GGFP8_MAX_ROUTED_ROWS) {
    return fail(GGFP8_ERROR_INVALID_SHAPE,
                "top_k_index: got shape %s, wanted at most %d choices in all",
                shape_text(index).text, GGFP8_MAX_ROUTED_ROWS);
  }
  if (Status s = read_stride(index, 0, {args->top_k, 1}, &args->top_k_index_row_stride)) return s;
  return read_pointer(index, is_int64 ? 8 : 4, &args->top_k_index);
}

// A dense int32 array of the given shape.
Status read_output(const Array& array, std::span<const int64_t> wanted, const char* like,
                   int32_t** pointer) {
  if (Status s = check_dtype(array, kTensorInt32)) return s;
  if (!has_shape(array, wanted)) {
    return fail(GGFP8_ERROR_INVALID_SHAPE, "%s: got shape %s, wanted %s%s", array.name,
                shape_text(array).text,
                shape_text(wanted.data(), static_cast<int32_t>(wanted.size())).text, like);
  }
  if (Status s = check_strides(array)) return s;
  if (array.rank == 2) {
    int64_t row_stride = 0;
    if (Status s = read_stride(array, 0, {wanted[1], 1}, &row_stride)) return s;
    if (row_stride != wanted[1]) {
      return fail(GGFP8_ERROR_INVALID_STRIDE, "%s: got strides %s, wanted a contiguous array",
                  array.name, shape_text(array.strides, array.rank).text);
    }
  }
  return read_pointer(array, 4, pointer);
}

Status read_m_indptr(const Array& m_indptr, Args* args) {
  if (Status s = check_rank(m_indptr, 1, "(batch_size + 1,)")) return s;
  args->batch_size = m_indptr.shape[0] - 1;
  if (args->batch_size < 0 || args->batch_size > GGFP8_MAX_BATCH_SIZE) {
    return fail(GGFP8_ERROR_INVALID_SHAPE,
                "m_indptr: got shape %s, wanted (batch_size + 1,) with batch_size from 0 to %d",
                shape_text(m_indptr).text, GGFP8_MAX_BATCH_SIZE);
  }
  return read_output(m_indptr, {m_indptr.shape, 1}, "", &args->m_indptr);
}

}  // namespace

Status route_args_from_tensors(const RouteTensors& tensors, uint32_t flags, Args* args,
                               WorkspacePart* part) noexcept {
  if ((flags & ~GGFP8_FLAG_WORKSPACE_READ_ONLY) != 0) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT, "flags: got 0x%x, wanted 0 or 0x%x", flags,
                GGFP8_FLAG_WORKSPACE_READ_ONLY);
  }
  Array index, row_index, position, m_indptr, workspace;
  if (Status s = read_array("top_k_index", tensors.top_k_index, &index)) return s;
  if (Status s = read_array("row_index", tensors.row_index, &row_index)) return s;
  if (Status s = read_array("position", tensors.position, &position)) return s;
  if (Status s = read_array("m_indptr", tensors.m_indptr, &m_indptr)) return s;
  for (const Array* array : {&row_index, &position, &m_indptr}) {
    if (Status s = check_device(*array, index)) return s;
  }
  if (Status s = read_top_k_index(index, args)) return s;
  const int64_t pairs[] = {args->num_tokens * args->top_k};
  const int64_t shape[] = {args->num_tokens, args->top_k};
  const char* const like = " like top_k_index";
  if (Status s = read_output(row_index, pairs, like, &args->row_index)) return s;
  if (Status s = read_output(position, shape, like, &args->position)) return s;
  if (Status s = read_m_indptr(m_indptr, args)) return s;

  const Array* const arrays[] = {&index, &row_index, &position, &m_indptr};
  const std::span<const Array* const> all(arrays);
  for (size_t i = 1; i < all.size(); ++i) {
    if (Status s = check_apart(*all[i], all.first(i))) return s;
  }
  args->device_type = static_cast<int32_t>(index.device.type);
  args->device_id = index.device.id;
  if (tensors.workspace == nullptr) return kSuccess;
  if (Status s = read_array("workspace", tensors.workspace, &workspace)) return s;
  if (Status s = check_device(workspace, index)) return s;
  if (Status s = check_workspace_array(workspace, flags != 0)) return s;
  if (Status s = check_apart(workspace, all)) return s;
  *part = aligned_part(workspace);
  return kSuccess;
}

}  // namespace ggfp8
