#include "api/tensor_matrices.h"

#include <cinttypes>
#include <iterator>
#include <span>

#include "api/argument_rules.h"
#include "core/math.h"

namespace ggfp8 {
namespace {

using Args = ggfp8_group_gemm_args;

constexpr const char* kAAxes = "(cum_m, k)";
constexpr const char* kAAxesNotSlabs =
    "(cum_m, k); slabs, (batch_size, T, k), go with m_counts in the masked layout";
constexpr const char* kASlabAxes = "(batch_size, T, k) with masked groups";
constexpr const char* kBAxes = "(batch_size, n, k)";

Status read_slabs_of_a(const Array& a, Args* args) {
  if (Status s = check_rank(a, 3, kASlabAxes)) return s;
  if (Status s = check_size(a, 0, kBatchSizeRule, kASlabAxes, "batch_size")) return s;
  if (Status s = check_size(a, 1, kCumMRule, kASlabAxes, "T")) return s;
  if (Status s = check_size(a, 2, kKRule, kASlabAxes, "k")) return s;
  if (!kCumMRule.allows(a.shape[0] * a.shape[1])) {
    return fail(GGFP8_ERROR_INVALID_SHAPE, "a: got shape %s, wanted at most %" PRId64 " rows",
                shape_text(a).text, kCumMRule.limit);
  }
  if (Status s = check_strides(a)) return s;
  return read_slab_stride(a, kFp8StrideMultiple, &args->a_group_stride);
}

Status check_rows_of_a(const Array& a) {
  if (Status s = check_rank(a, 2, a.rank == 3 ? kAAxesNotSlabs : kAAxes)) return s;
  if (Status s = check_size(a, 0, kCumMRule, kAAxes, "cum_m")) return s;
  if (Status s = check_size(a, 1, kKRule, kAAxes, "k")) return s;
  return check_strides(a);
}

Status check_b_shape(const Array& b, const Array& a) {
  const int64_t k = a.shape[a.rank - 1];
  const bool has_slabs = a.rank == 3;
  const bool fits = b.rank == 3 && (!has_slabs || b.shape[0] == a.shape[0]);
  if (fits && b.shape[2] == k) return kSuccess;
  Message groups;
  groups.append(has_slabs ? "%" PRId64 : "batch_size", has_slabs ? a.shape[0] : 0);
  const bool swapped = fits && b.shape[1] == k;
  return fail(GGFP8_ERROR_INVALID_SHAPE,
              "b: got shape %s%s, wanted (%s, n, %" PRId64 ") like a of shape %s",
              shape_text(b).text, swapped ? ", that is (batch_size, k, n)" : "", groups.text, k,
              shape_text(a).text);
}

Status read_out_dtype(const Array& out, int32_t wanted, Args* args) {
  const int32_t own = dtype_code_of(out.dtype);
  if (own < GGFP8_DTYPE_BFLOAT16 || own > GGFP8_DTYPE_FLOAT32) {
    return fail(GGFP8_ERROR_INVALID_DTYPE, "out: got dtype %s, wanted bfloat16, float16 or float32",
                name_of(out.dtype).text);
  }
  if (wanted != 0 && wanted != own) {
    return fail(GGFP8_ERROR_INVALID_DTYPE, "out_dtype: got %s, wanted %s, the dtype of out",
                name_of(static_cast<Dtype>(wanted)), name_of(static_cast<Dtype>(own)));
  }
  args->out_dtype = own;
  return kSuccess;
}

Status read_slabs_of_out(const Array& out, int64_t num_rows, Args* args) {
  if (Status s = read_slab_stride(out, 1, &args->out_group_stride)) return s;
  if (args->out_group_stride == 0 || slabs_are_apart(args->batch_size, args->out_group_stride,
                                                     num_rows, args->out_row_stride, args->n)) {
    return kSuccess;
  }
  return fail(GGFP8_ERROR_INVALID_STRIDE, "out: got strides %s, wanted slabs that do not overlap",
              shape_text(out.strides, out.rank).text);
}

}  // namespace

Status read_slab_stride(const Array& array, int64_t multiple, int64_t* stride) noexcept {
  *stride = 0;
  if (!has_stride(array, 0)) return kSuccess;
  return read_stride(array, 0, {multiple, multiple}, stride);
}

Status read_a(const Array& a, int32_t declared, GroupKind kind, Args* args) noexcept {
  const bool has_slabs = kind == GroupKind::kMasked;
  if (Status s = read_fp8_dtype(a, declared, &args->a_dtype)) return s;
  if (Status s = has_slabs ? read_slabs_of_a(a, args) : check_rows_of_a(a)) return s;
  args->cum_m = has_slabs ? a.shape[0] * a.shape[1] : a.shape[0];
  args->k = a.shape[a.rank - 1];
  return read_stride(a, a.rank - 2, {args->k, kFp8StrideMultiple}, &args->a_row_stride);
}

Status read_b(const Array& b, const Array& a, int32_t declared, Args* args) noexcept {
  if (Status s = read_fp8_dtype(b, declared, &args->b_dtype)) return s;
  if (Status s = check_b_shape(b, a)) return s;
  if (Status s = check_size(b, 0, kBatchSizeRule, kBAxes, "batch_size")) return s;
  if (Status s = check_size(b, 1, kNRule, kBAxes, "n")) return s;
  args->batch_size = b.shape[0];
  args->n = b.shape[1];
  if (Status s = check_strides(b)) return s;
  const StrideRule row = {args->k, kFp8StrideMultiple};
  if (Status s = read_stride(b, 1, row, &args->b_row_stride)) return s;
  const StrideRule group = {args->n * args->b_row_stride, kFp8StrideMultiple};
  return read_stride(b, 0, group, &args->b_group_stride);
}

Status read_out(const Array& out, const Array& a, int32_t wanted_dtype, Args* args) noexcept {
  if (Status s = read_out_dtype(out, wanted_dtype, args)) return s;
  const bool has_slabs = a.rank == 3;
  const int64_t num_rows = a.shape[a.rank - 2];
  const int64_t sizes[] = {args->batch_size, num_rows, args->n};
  const std::span<const int64_t> wanted(sizes + (has_slabs ? 0 : 1), std::end(sizes));
  if (!has_shape(out, wanted)) {
    return fail(GGFP8_ERROR_INVALID_SHAPE, "out: got shape %s, wanted %s like a and b",
                shape_text(out).text,
                shape_text(wanted.data(), static_cast<int32_t>(wanted.size())).text);
  }
  if (Status s = check_strides(out)) return s;
  if (Status s = read_stride(out, out.rank - 2, {args->n, 1}, &args->out_row_stride)) return s;
  return has_slabs ? read_slabs_of_out(out, num_rows, args) : kSuccess;
}

}  // namespace ggfp8
