#include "api/combine_args.h"

#include "api/argument_checks.h"
#include "api/sized_struct.h"

namespace ggfp8 {
namespace {

using steps::CombineProblem;
using Args = ggfp8_combine_args;

// Size in version 1; later versions only append.
constexpr size_t kCombineArgsBytesV1 = 128;
static_assert(sizeof(Args) == kCombineArgsBytesV1);

Status read_sizes(const Args& args, CombineProblem* p) {
  if (Status s = check_extent("x_rows", args.x_rows, GGFP8_MAX_CUM_M)) return s;
  if (Status s = check_extent("num_tokens", args.num_tokens, GGFP8_MAX_CUM_M)) return s;
  if (Status s = check_extent("top_k", args.top_k, GGFP8_MAX_CUM_M)) return s;
  if (Status s = check_extent("k", args.k, GGFP8_MAX_K)) return s;
  p->x_rows = args.x_rows;
  p->num_tokens = args.num_tokens;
  p->top_k = args.top_k;
  p->k = args.k;
  return kSuccess;
}

Status read_dtypes(const Args& args, CombineProblem* p) {
  if (Status s = read_float_dtype("x_dtype", args.x_dtype, Dtype::kBFloat16, &p->x_dtype)) return s;
  if (Status s =
          read_float_dtype("weight_dtype", args.weight_dtype, Dtype::kFloat32, &p->weight_dtype)) {
    return s;
  }
  return read_float_dtype("out_dtype", args.out_dtype, p->x_dtype, &p->out_dtype);
}

Status read_strides(const Args& args, CombineProblem* p) {
  if (Status s = read_member_stride("x_row_stride", args.x_row_stride, p->k, p->x_rows,
                                    &p->x_row_stride)) {
    return s;
  }
  if (Status s = read_member_stride("position_row_stride", args.position_row_stride, p->top_k,
                                    p->num_tokens, &p->position_row_stride)) {
    return s;
  }
  if (Status s = read_member_stride("weight_row_stride", args.weight_row_stride, p->top_k,
                                    p->num_tokens, &p->weight_row_stride)) {
    return s;
  }
  return read_member_stride("out_row_stride", args.out_row_stride, p->k, p->num_tokens,
                            &p->out_row_stride);
}

Status read_pointers(const Args& args, bool has_out, CombineProblem* p) {
  const bool has_pairs = has_out && p->top_k > 0;
  const bool has_rows = has_pairs && p->x_rows > 0;
  if (Status s = check_array("x", args.x, has_rows, size_of(p->x_dtype))) return s;
  if (Status s = check_array("position", args.position, has_pairs, 4)) return s;
  if (Status s = check_array("weight", args.weight, has_pairs, size_of(p->weight_dtype))) return s;
  if (Status s = check_array("out", args.out, has_out, size_of(p->out_dtype))) return s;
  p->x = args.x;
  p->position = args.position;
  p->weight = args.weight;
  p->out = args.out;
  return kSuccess;
}

}  // namespace

Status read_combine_args(const Args* source, CombineProblem* problem, bool* empty) noexcept {
  Args args;
  if (Status s = read_sized_struct(source, sizeof args, kCombineArgsBytesV1, &args, "args")) {
    return s;
  }
  *problem = CombineProblem{};
  if (Status s = read_sizes(args, problem)) return s;
  if (Status s = read_dtypes(args, problem)) return s;
  if (Status s = read_device_type(args.device_type, &problem->device_type)) return s;
  problem->device_id = args.device_id;
  if (Status s = check_flags(args.flags, 0)) return s;
  if (Status s = read_strides(args, problem)) return s;
  *empty = problem->num_tokens == 0 || problem->k == 0;
  return read_pointers(args, !*empty, problem);
}

}  // namespace ggfp8
