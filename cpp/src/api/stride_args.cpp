#include "api/stride_args.h"

#include <cinttypes>
#include <cstdint>

#include "api/argument_rules.h"

namespace ggfp8 {
namespace {

using Args = ggfp8_group_gemm_args;

// Fills in the default and checks the stride and `count` steps of it.
Status read_stride(const char* name, int64_t stride, int64_t dense, const StrideRule& rule,
                   int64_t count, int64_t* resolved) {
  if (stride == 0) stride = dense;
  if (!rule.allows(stride)) {
    return fail(GGFP8_ERROR_INVALID_STRIDE,
                "%s: got %" PRId64 ", wanted a multiple of %" PRId64 " of at least %" PRId64, name,
                stride, rule.multiple, rule.least);
  }
  if (!is_addressable(stride, count)) {
    return fail(GGFP8_ERROR_INVALID_STRIDE,
                "%s: got %" PRId64 ", wanted %" PRId64 " steps of it to be addressable", name,
                stride, count);
  }
  *resolved = stride;
  return kSuccess;
}

// A stride that keeps `count` rows or groups apart; the least one is the default.
Status read_pitch(const char* name, int64_t stride, const StrideRule& rule, int64_t count,
                  int64_t* resolved) {
  return read_stride(name, stride, rule.least, rule, count, resolved);
}

// A stride between slabs, which may lie anywhere: inputs may even overlap. `dense` is that of slabs
// one after the other.
Status read_slab_stride(const char* name, int64_t stride, int64_t dense, int64_t multiple,
                        const Problem& problem, int64_t* resolved) {
  if (problem.group_kind == GroupKind::kMasked) {
    return read_stride(name, stride, dense, {0, multiple}, problem.batch_size, resolved);
  }
  if (stride == 0) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_GROUP_LAYOUT,
              "%s: got %" PRId64 " with group_layout %s, wanted 0: it belongs to masked", name,
              stride, name_of(problem.group_kind));
}

Status read_a_strides(const Args& args, Problem* problem) {
  const int64_t rows = problem->rows_per_slab();
  if (Status s = read_pitch("a_row_stride", args.a_row_stride, {args.k, kFp8StrideMultiple}, rows,
                            &problem->a.row_stride)) {
    return s;
  }
  return read_slab_stride("a_group_stride", args.a_group_stride, rows * problem->a.row_stride,
                          kFp8StrideMultiple, *problem, &problem->a.group_stride);
}

Status read_b_strides(const Args& args, Problem* problem) {
  if (Status s = read_pitch("b_row_stride", args.b_row_stride, {args.k, kFp8StrideMultiple}, args.n,
                            &problem->b.row_stride)) {
    return s;
  }
  return read_pitch("b_group_stride", args.b_group_stride,
                    {args.n * problem->b.row_stride, kFp8StrideMultiple}, args.batch_size,
                    &problem->b.group_stride);
}

Status read_out_strides(const Args& args, Problem* problem) {
  const int64_t rows = problem->rows_per_slab();
  if (Status s = read_pitch("out_row_stride", args.out_row_stride, {args.n, 1}, rows,
                            &problem->out.row_stride)) {
    return s;
  }
  if (Status s = read_slab_stride("out_group_stride", args.out_group_stride,
                                  rows * problem->out.row_stride, 1, *problem,
                                  &problem->out.group_stride)) {
    return s;
  }
  if (problem->group_kind != GroupKind::kMasked || args.cum_m == 0 ||
      slabs_are_apart(args.batch_size, problem->out.group_stride, rows, problem->out.row_stride,
                      args.n)) {
    return kSuccess;
  }
  return fail(GGFP8_ERROR_INVALID_STRIDE,
              "out_group_stride: got %" PRId64 " with out_row_stride %" PRId64
              ", wanted slabs of %" PRId64 " rows that do not overlap",
              problem->out.group_stride, problem->out.row_stride, rows);
}

// Reads the strides of the blocks of one group's scales. *group_elements is what they take.
Status read_block_strides(const char* name, int64_t given, ScaleMajor major, int64_t num_mn_blocks,
                          int64_t num_k_blocks, Scales* scales, int64_t* group_elements) {
  const bool mn_major = major == ScaleMajor::kMn;
  const int64_t fast = mn_major ? num_mn_blocks : num_k_blocks;
  const int64_t slow = mn_major ? num_k_blocks : num_mn_blocks;
  int64_t stride = 0;
  if (Status s = read_pitch(name, given, {fast, 1}, slow, &stride)) return s;
  scales->mn_stride = mn_major ? 1 : stride;
  scales->k_stride = mn_major ? stride : 1;
  *group_elements = slow * stride;
  return kSuccess;
}

Status read_a_scale_strides(const Args& args, Problem* problem) {
  int64_t slab_elements = 0;
  if (Status s = read_block_strides("a_scale_stride", args.a_scale_stride, problem->sfa_major,
                                    problem->num_m_blocks, problem->num_k_blocks, &problem->sfa,
                                    &slab_elements)) {
    return s;
  }
  return read_slab_stride("a_scale_group_stride", args.a_scale_group_stride, slab_elements, 1,
                          *problem, &problem->sfa.group_stride);
}

Status read_b_scale_strides(const Args& args, Problem* problem) {
  int64_t group_elements = 0;
  if (Status s = read_block_strides("b_scale_stride", args.b_scale_stride, problem->sfb_major,
                                    problem->num_n_blocks, problem->num_k_blocks, &problem->sfb,
                                    &group_elements)) {
    return s;
  }
  return read_pitch("b_scale_group_stride", args.b_scale_group_stride, {group_elements, 1},
                    args.batch_size, &problem->sfb.group_stride);
}

}  // namespace

Status read_strides(const Args& args, Problem* problem) noexcept {
  if (Status s = read_a_strides(args, problem)) return s;
  if (Status s = read_b_strides(args, problem)) return s;
  if (Status s = read_out_strides(args, problem)) return s;
  if (Status s = read_a_scale_strides(args, problem)) return s;
  return read_b_scale_strides(args, problem);
}

}  // namespace ggfp8
