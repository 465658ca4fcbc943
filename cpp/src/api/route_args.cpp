#include "api/route_args.h"

#include <cinttypes>

#include "api/argument_checks.h"
#include "api/sized_struct.h"

namespace ggfp8 {
namespace {

using steps::RouteProblem;
using Args = ggfp8_route_args;

// Size in version 1; later versions only append.
constexpr size_t kRouteArgsBytesV1 = 88;
static_assert(sizeof(Args) == kRouteArgsBytesV1);

Status check_sizes(const Args& args) {
  if (Status s = check_extent("num_tokens", args.num_tokens, GGFP8_MAX_ROUTED_ROWS)) return s;
  if (Status s = check_extent("top_k", args.top_k, GGFP8_MAX_ROUTED_ROWS)) return s;
  if (Status s = check_extent("batch_size", args.batch_size, GGFP8_MAX_BATCH_SIZE)) return s;
  if (args.num_tokens * args.top_k <= GGFP8_MAX_ROUTED_ROWS) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_SHAPE,
              "top_k_index: got %" PRId64 " tokens with %" PRId64
              " choices each, wanted at most %d choices in all",
              args.num_tokens, args.top_k, GGFP8_MAX_ROUTED_ROWS);
}

Status read_pointers(const Args& args, RouteProblem* problem) {
  const bool has_pairs = problem->num_pairs() > 0;
  if (Status s = check_array("top_k_index", args.top_k_index, has_pairs,
                             problem->index_is_int64 ? 8 : 4)) {
    return s;
  }
  if (Status s = check_array("row_index", args.row_index, has_pairs, 4)) return s;
  if (Status s = check_array("position", args.position, has_pairs, 4)) return s;
  if (Status s = check_array("m_indptr", args.m_indptr, true, 4)) return s;
  problem->top_k_index = args.top_k_index;
  problem->row_index = args.row_index;
  problem->position = args.position;
  problem->m_indptr = args.m_indptr;
  return kSuccess;
}

}  // namespace

Status read_route_args(const Args* source, RouteProblem* problem) noexcept {
  Args args;
  if (Status s = read_sized_struct(source, sizeof args, kRouteArgsBytesV1, &args, "args")) return s;
  *problem = RouteProblem{};
  RouteProblem& p = *problem;
  if (Status s = check_sizes(args)) return s;
  p.num_tokens = args.num_tokens;
  p.top_k = args.top_k;
  p.num_groups = args.batch_size;
  if (Status s = read_index_dtype("top_k_index_dtype", args.top_k_index_dtype, &p.index_is_int64)) {
    return s;
  }
  if (Status s = read_device_type(args.device_type, &p.device_type)) return s;
  p.device_id = args.device_id;
  if (Status s = check_flags(args.flags, 0)) return s;
  if (Status s = read_member_stride("top_k_index_row_stride", args.top_k_index_row_stride, p.top_k,
                                    p.num_tokens, &p.row_stride)) {
    return s;
  }
  return read_pointers(args, problem);
}

}  // namespace ggfp8
