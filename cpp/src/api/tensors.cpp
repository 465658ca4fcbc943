#include "api/tensors.h"

#include "api/argument_rules.h"
#include "api/sized_struct.h"
#include "api/tensor_checks.h"
#include "api/tensor_groups.h"
#include "api/tensor_matrices.h"
#include "api/tensor_overlap.h"
#include "api/tensor_scales.h"
#include "api/tensor_workspace.h"
#include "api/validate.h"
#include "core/math.h"

namespace ggfp8 {
namespace {

using Args = ggfp8_group_gemm_args;
using Options = ggfp8_group_gemm_options;

constexpr uint32_t kFlags =
    GGFP8_FLAG_VALIDATE_M_INDPTR | GGFP8_FLAG_OUT_READ_ONLY | GGFP8_FLAG_WORKSPACE_READ_ONLY;

// One call: its arrays, its options as a Problem without sizes, and the args that come of them.
struct Call {
  Array a, b, a_scale, b_scale, groups, out, workspace;
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
  args.group_layout = options.group_layout;
  args.group_alignment = options.group_alignment;
  args.expected_m = options.expected_m;
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
  const char* const groups_name = group_array_name(call->problem.group_kind);
  if (Status s = read_array(groups_name, tensors.groups, &call->groups)) return s;
  call->has_out = tensors.out != nullptr;
  if (call->has_out) {
    if (Status s = read_array("out", tensors.out, &call->out)) return s;
  }
  call->has_workspace = tensors.workspace != nullptr;
  if (!call->has_workspace) return kSuccess;
  return read_array("workspace", tensors.workspace, &call->workspace);
}

Status check_devices(Call* call) {
  for (const Array* array : {&call->b, &call->a_scale, &call->b_scale, &call->groups}) {
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

Status read_scales(Call* call) {
  Args& args = call->args;
  const Problem& p = call->problem;
  const Array& a = call->a;
  const bool has_slabs = a.rank == 3;
  const int64_t mb = ceil_div<int64_t>(a.shape[a.rank - 2], p.granularity_m);
  const int64_t nb = ceil_div<int64_t>(args.n, p.granularity_n);
  const int64_t kb = ceil_div<int64_t>(args.k, p.granularity_k);
  ScaleMemory memory;

  const int64_t num_slabs = has_slabs ? args.batch_size : ScaleShape::kOneMatrix;
  if (Status s = read_scale(call->a_scale, {num_slabs, mb, kb}, p.sfa_major, p,
                            SwappedAxes::kAllowed, &memory))
    return s;
  args.scale_major = memory.major;
  args.a_scale_stride = memory.stride;
  if (has_slabs) {
    if (Status s = read_slab_stride(call->a_scale, 1, &args.a_scale_group_stride)) return s;
  }

  // Square weights have as many blocks along n as along k. A b_scale in the other layout could pass
  // for a view with swapped axes there, and its strides are all that shows the mistake.
  const ScaleShape b_shape = {args.batch_size, nb, kb};
  if (Status s = read_scale(call->b_scale, b_shape, p.sfb_major, p, SwappedAxes::kRefused, &memory))
    return s;
  args.b_scale_major = memory.major;
  args.b_scale_stride = memory.stride;
  return read_stride(call->b_scale, 0, {memory.num_steps * memory.stride, 1},
                     &args.b_scale_group_stride);
}

// The out of a call that has none: dense, at an address that suits every backend.
void assume_out(Call* call) {
  Args& args = call->args;
  if (args.out_dtype == 0) args.out_dtype = GGFP8_DTYPE_BFLOAT16;
  args.out_row_stride = args.n;
  args.out = reinterpret_cast<void*>(uintptr_t{GGFP8_WORKSPACE_ALIGNMENT});
}

Status read_or_assume_out(Call* call) {
  if (!call->has_out) return assume_out(call), kSuccess;
  const Options& asked = call->options;
  if (Status s = read_out(call->out, call->a, asked.out_dtype, &call->args)) return s;
  return check_writable(call->out, (asked.flags & GGFP8_FLAG_OUT_READ_ONLY) != 0);
}

Status read_group_pointer(const Call& call, Args* args) {
  const int64_t value_bytes = call.groups.dtype.bits / 8;
  const bool is_m_indptr =
      call.problem.group_kind == GroupKind::kIndptr && args->group_dtype == GGFP8_DTYPE_INT32;
  if (is_m_indptr) return read_pointer(call.groups, value_bytes, &args->m_indptr);
  return read_pointer(call.groups, value_bytes, &args->groups);
}

Status read_pointers(Call* call) {
  Args& args = call->args;
  if (Status s = read_pointer(call->a, 1, &args.a)) return s;
  if (Status s = read_pointer(call->b, 1, &args.b)) return s;
  if (Status s = read_pointer(call->a_scale, 4, &args.a_scale)) return s;
  if (Status s = read_pointer(call->b_scale, 4, &args.b_scale)) return s;
  if (Status s = read_group_pointer(*call, &args)) return s;
  if (!call->has_out) return kSuccess;
  if (Status s = read_pointer(call->out, call->out.dtype.bits / 8, &args.out)) return s;
  const Array* const inputs[] = {&call->a, &call->b, &call->a_scale, &call->b_scale, &call->groups};
  return check_apart(call->out, inputs);
}

Status read_workspace(const Call& call, WorkspacePart* part) {
  if (!call.has_workspace) return kSuccess;
  const bool read_only = (call.options.flags & GGFP8_FLAG_WORKSPACE_READ_ONLY) != 0;
  if (Status s = check_workspace_array(call.workspace, read_only)) return s;
  const Array* const others[] = {&call.a,       &call.b,      &call.a_scale,
                                 &call.b_scale, &call.groups, &call.out};
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
  const Options& asked = call.options;
  const GroupKind kind = call.problem.group_kind;
  if (Status s = read_a(call.a, asked.a_dtype, kind, &call.args)) return s;
  if (Status s = read_b(call.b, call.a, asked.b_dtype, &call.args)) return s;
  if (Status s = read_scales(&call)) return s;
  if (Status s = read_group_tensor(call.groups, kind, call.args.batch_size, &call.args)) return s;
  if (Status s = read_or_assume_out(&call)) return s;
  if (Status s = read_pointers(&call)) return s;
  if (Status s = read_workspace(call, workspace)) return s;
  *args = call.args;
  return kSuccess;
}

}  // namespace ggfp8
