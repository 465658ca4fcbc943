#include "api/tensors.h"

#include <cinttypes>
#include <span>

#include "api/argument_rules.h"
#include "api/sized_struct.h"
#include "api/tensor_checks.h"
#include "api/tensor_overlap.h"
#include "api/tensor_workspace.h"
#include "api/validate.h"
#include "core/math.h"

namespace ggfp8 {
namespace {

using Args = ggfp8_group_gemm_args;
using Options = ggfp8_group_gemm_options;

constexpr uint32_t kFlags =
    GGFP8_FLAG_VALIDATE_M_INDPTR | GGFP8_FLAG_OUT_READ_ONLY | GGFP8_FLAG_WORKSPACE_READ_ONLY;

constexpr const char* kAAxes = "(cum_m, k)";
constexpr const char* kBAxes = "(batch_size, n, k)";

// One call: its arrays, its options as a Problem without sizes, and the args that come of them.
struct Call {
  Array a, b, a_scale, b_scale, m_indptr, out, workspace;
  bool has_out = false;
  bool has_workspace = false;
  Options options = GGFP8_GROUP_GEMM_OPTIONS_INIT;
  Problem problem;
  Args args = GGFP8_GROUP_GEMM_ARGS_INIT;
};

Status read_options(const Options* source, Call* call) {
  Options& options = call->options;
  if (source != nullptr) {
    if (Status s = read_sized_struct(source, sizeof options, kOptionsBytesV1, &options, "options"))
      return s;
  }
  Args& args = call->args;
  args.backend = options.backend;
  args.scale_granularity_m = options.scale_granularity_m;
  args.scale_granularity_n = options.scale_granularity_n;
  args.scale_granularity_k = options.scale_granularity_k;
  args.scale_major = options.scale_major;
  args.b_scale_major = options.b_scale_major;
  args.mma_sm = options.mma_sm;
  args.a_dtype = options.a_dtype;
  args.b_dtype = options.b_dtype;
  args.out_dtype = options.out_dtype;
  args.flags = options.flags & GGFP8_FLAG_VALIDATE_M_INDPTR;
  if ((options.flags & ~kFlags) != 0) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT, "flags: got 0x%x, wanted a combination of 0x%x",
                options.flags, kFlags);
  }
  return validate_options(args, &call->problem);
}

Status read_arrays(const GroupGemmTensors& tensors, Call* call) {
  if (Status s = read_array("a", tensors.a, &call->a)) return s;
  if (Status s = read_array("b", tensors.b, &call->b)) return s;
  if (Status s = read_array("a_scale", tensors.a_scale, &call->a_scale)) return s;
  if (Status s = read_array("b_scale", tensors.b_scale, &call->b_scale)) return s;
  if (Status s = read_array("m_indptr", tensors.m_indptr, &call->m_indptr)) return s;
  call->has_out = tensors.out != nullptr;
  if (call->has_out) {
    if (Status s = read_array("out", tensors.out, &call->out)) return s;
  }
  call->has_workspace = tensors.workspace != nullptr;
  if (!call->has_workspace) return kSuccess;
  return read_array("workspace", tensors.workspace, &call->workspace);
}

Status check_devices(Call* call) {
  for (const Array* array : {&call->b, &call->a_scale, &call->b_scale, &call->m_indptr}) {
    if (Status s = check_device(*array, call->a)) return s;
  }
  if (call->has_out) {
    if (Status s = check_device(call->out, call->a)) return s;
  }
  if (call->has_workspace) {
    if (Status s = check_device(call->workspace, call->a)) return s;
  }
  call->args.device_type = static_cast<int32_t>(call->a.device.type);
  call->args.device_id = call->a.device.id;
  return kSuccess;
}

Status read_a(Call* call) {
  const Array& a = call->a;
  Args& args = call->args;
  if (Status s = read_fp8_dtype(a, call->options.a_dtype, &args.a_dtype)) return s;
  if (Status s = check_rank(a, 2, kAAxes)) return s;
  if (Status s = check_size(a, 0, kCumMRule, kAAxes, "cum_m")) return s;
  if (Status s = check_size(a, 1, kKRule, kAAxes, "k")) return s;
  args.cum_m = a.shape[0];
  args.k = a.shape[1];
  if (Status s = check_strides(a)) return s;
  return read_stride(a, 0, {args.k, kFp8StrideMultiple}, &args.a_row_stride);
}

Status check_b_shape(const Array& b, const Array& a) {
  const int64_t k = a.shape[1];
  if (b.rank == 3 && b.shape[2] == k) return kSuccess;
  const bool swapped = b.rank == 3 && b.shape[1] == k;
  return fail(GGFP8_ERROR_INVALID_SHAPE,
              "b: got shape %s%s, wanted (batch_size, n, %" PRId64 ") like a of shape %s",
              shape_text(b).text, swapped ? ", that is (batch_size, k, n)" : "", k,
              shape_text(a).text);
}

Status read_b(Call* call) {
  const Array& b = call->b;
  Args& args = call->args;
  if (Status s = read_fp8_dtype(b, call->options.b_dtype, &args.b_dtype)) return s;
  if (Status s = check_b_shape(b, call->a)) return s;
  if (Status s = check_size(b, 0, kBatchSizeRule, kBAxes, "batch_size")) return s;
  if (Status s = check_size(b, 1, kNRule, kBAxes, "n")) return s;
  args.batch_size = b.shape[0];
  args.n = b.shape[1];
  if (Status s = check_strides(b)) return s;
  if (Status s = read_stride(b, 1, {args.k, kFp8StrideMultiple}, &args.b_row_stride)) return s;
  return read_stride(b, 0, {args.n * args.b_row_stride, kFp8StrideMultiple}, &args.b_group_stride);
}

// Checks a scale array against its shape in the layout of `major`; `other` is its shape in the
// layout that is not asked for.
Status check_scale(const Call& call, const Array& scale, ScaleMajor major,
                   std::span<const int64_t> wanted, std::span<const int64_t> other) {
  if (Status s = check_dtype(scale, kTensorFloat32)) return s;
  if (has_shape(scale, wanted)) return check_strides(scale);
  const Problem& p = call.problem;
  const bool mn_major = major == ScaleMajor::kMn;
  Message slip;
  if (has_shape(scale, other)) {
    slip.append(", that is the layout of scale_major_mode='%s'", mn_major ? "K" : "MN");
  }
  return fail(GGFP8_ERROR_INVALID_SHAPE,
              "%s: got shape %s%s, wanted %s for scale_major_mode='%s' and scale_granularity_mnk "
              "(%d, %d, %d)",
              scale.name, shape_text(scale).text, slip.text,
              shape_text(wanted.data(), static_cast<int32_t>(wanted.size())).text,
              mn_major ? "MN" : "K", p.granularity_m, p.granularity_n, p.granularity_k);
}

Status read_scales(Call* call) {
  Args& args = call->args;
  const Problem& p = call->problem;
  const int64_t mb = ceil_div<int64_t>(args.cum_m, p.granularity_m);
  const int64_t nb = ceil_div<int64_t>(args.n, p.granularity_n);
  const int64_t kb = ceil_div<int64_t>(args.k, p.granularity_k);
  const int64_t a_mn[] = {kb, mb}, a_k[] = {mb, kb};
  const int64_t b_mn[] = {args.batch_size, kb, nb}, b_k[] = {args.batch_size, nb, kb};

  const bool a_is_mn = p.a_scale_major == ScaleMajor::kMn;
  const auto& a_wanted = a_is_mn ? a_mn : a_k;
  if (Status s = check_scale(*call, call->a_scale, p.a_scale_major, a_wanted, a_is_mn ? a_k : a_mn))
    return s;
  if (Status s = read_stride(call->a_scale, 0, {a_wanted[1], 1}, &args.a_scale_stride)) return s;

  const bool b_is_mn = p.b_scale_major == ScaleMajor::kMn;
  const auto& b_wanted = b_is_mn ? b_mn : b_k;
  if (Status s = check_scale(*call, call->b_scale, p.b_scale_major, b_wanted, b_is_mn ? b_k : b_mn))
    return s;
  if (Status s = read_stride(call->b_scale, 1, {b_wanted[2], 1}, &args.b_scale_stride)) return s;
  return read_stride(call->b_scale, 0, {b_wanted[1] * args.b_scale_stride, 1},
                     &args.b_scale_group_stride);
}

Status read_m_indptr(Call* call) {
  const Array& m_indptr = call->m_indptr;
  const int64_t batch_size = call->args.batch_size;
  const int64_t wanted[] = {batch_size + 1}, counts[] = {batch_size};
  if (Status s = check_dtype(m_indptr, kTensorInt32)) return s;
  if (has_shape(m_indptr, wanted)) return check_strides(m_indptr);
  return fail(GGFP8_ERROR_INVALID_SHAPE,
              "m_indptr: got shape %s, wanted (%" PRId64
              ",): batch_size + 1 bounds, starting with the first group's first row (usually 0)%s",
              shape_text(m_indptr).text, batch_size + 1,
              has_shape(m_indptr, counts) ? "; these look like counts or ends" : "");
}

// The out of a call that has none: dense, at an address that suits every backend.
void assume_out(Call* call) {
  Args& args = call->args;
  if (args.out_dtype == 0) args.out_dtype = GGFP8_DTYPE_BFLOAT16;
  args.out_row_stride = args.n;
  args.out = reinterpret_cast<void*>(uintptr_t{GGFP8_WORKSPACE_ALIGNMENT});
}

Status read_out(Call* call) {
  const Array& out = call->out;
  Args& args = call->args;
  if (!call->has_out) return assume_out(call), kSuccess;
  const int32_t wanted_dtype = call->options.out_dtype;
  int32_t own_dtype = 0;
  if (Status s = read_float_dtype(out, &own_dtype)) return s;
  if (wanted_dtype != 0 && wanted_dtype != own_dtype) {
    return fail(GGFP8_ERROR_INVALID_DTYPE, "out_dtype: got %s, wanted %s, the dtype of out",
                name_of(static_cast<Dtype>(wanted_dtype)), name_of(static_cast<Dtype>(own_dtype)));
  }
  const int64_t wanted[] = {args.cum_m, args.n};
  if (!has_shape(out, wanted)) {
    return fail(GGFP8_ERROR_INVALID_SHAPE, "out: got shape %s, wanted %s like a and b",
                shape_text(out).text, shape_text(wanted, 2).text);
  }
  if (Status s = check_strides(out)) return s;
  if (Status s = read_stride(out, 0, {args.n, 1}, &args.out_row_stride)) return s;
  args.out_dtype = own_dtype;
  return check_writable(out, (call->options.flags & GGFP8_FLAG_OUT_READ_ONLY) != 0);
}

Status read_pointers(Call* call) {
  Args& args = call->args;
  if (Status s = read_pointer(call->a, 1, &args.a)) return s;
  if (Status s = read_pointer(call->b, 1, &args.b)) return s;
  if (Status s = read_pointer(call->a_scale, 4, &args.a_scale)) return s;
  if (Status s = read_pointer(call->b_scale, 4, &args.b_scale)) return s;
  if (Status s = read_pointer(call->m_indptr, 4, &args.m_indptr)) return s;
  if (!call->has_out) return kSuccess;
  if (Status s = read_pointer(call->out, call->out.dtype.bits / 8, &args.out)) return s;
  const Array* const inputs[] = {&call->a, &call->b, &call->a_scale, &call->b_scale,
                                 &call->m_indptr};
  return check_apart(call->out, inputs);
}

Status read_workspace(const Call& call, WorkspacePart* part) {
  if (!call.has_workspace) return kSuccess;
  const bool read_only = (call.options.flags & GGFP8_FLAG_WORKSPACE_READ_ONLY) != 0;
  if (Status s = check_workspace_array(call.workspace, read_only)) return s;
  const Array* const others[] = {&call.a,       &call.b,        &call.a_scale,
                                 &call.b_scale, &call.m_indptr, &call.out};
  if (Status s = check_apart(call.workspace, others)) return s;
  *part = aligned_part(call.workspace);
  return kSuccess;
}

}  // namespace

Status args_from_tensors(const GroupGemmTensors& tensors, const ggfp8_group_gemm_options* options,
                         ggfp8_group_gemm_args* args, WorkspacePart* workspace) noexcept {
  Call call;
  if (Status s = read_options(options, &call)) return s;
  if (Status s = read_arrays(tensors, &call)) return s;
  if (Status s = check_devices(&call)) return s;
  if (Status s = read_a(&call)) return s;
  if (Status s = read_b(&call)) return s;
  if (Status s = read_scales(&call)) return s;
  if (Status s = read_m_indptr(&call)) return s;
  if (Status s = read_out(&call)) return s;
  if (Status s = read_pointers(&call)) return s;
  if (Status s = read_workspace(call, workspace)) return s;
  *args = call.args;
  return kSuccess;
}

}  // namespace ggfp8
