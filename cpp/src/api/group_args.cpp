#include "api/group_args.h"

#include <cinttypes>

#include "core/math.h"

namespace ggfp8 {
namespace {

using Args = ggfp8_group_gemm_args;

static_assert(static_cast<int32_t>(GroupKind::kIndptr) == GGFP8_GROUPS_INDPTR);
static_assert(static_cast<int32_t>(GroupKind::kEnds) == GGFP8_GROUPS_ENDS);
static_assert(static_cast<int32_t>(GroupKind::kCounts) == GGFP8_GROUPS_COUNTS);
static_assert(static_cast<int32_t>(GroupKind::kMasked) == GGFP8_GROUPS_MASKED);

Status read_layout(const Args& args, Problem* problem) {
  const int32_t layout = args.group_layout;
  if (layout < GGFP8_GROUPS_INDPTR || layout > GGFP8_GROUPS_MASKED) {
    return fail(GGFP8_ERROR_INVALID_GROUP_LAYOUT,
                "group_layout: got %d, wanted %d (indptr), %d (ends), %d (counts) or %d (masked)",
                layout, GGFP8_GROUPS_INDPTR, GGFP8_GROUPS_ENDS, GGFP8_GROUPS_COUNTS,
                GGFP8_GROUPS_MASKED);
  }
  problem->group_kind = static_cast<GroupKind>(layout);
  return kSuccess;
}

Status check_slabs(const Problem& problem) {
  if (problem.group_kind != GroupKind::kMasked || problem.batch_size == 0 ||
      problem.cum_m % problem.batch_size == 0) {
    return kSuccess;
  }
  return fail(GGFP8_ERROR_INVALID_SHAPE,
              "cum_m: got %" PRId64 ", wanted a multiple of batch_size = %" PRId64
              ", the number of slabs of the masked layout",
              problem.cum_m, problem.batch_size);
}

Status read_dtype(const Args& args, Problem* problem) {
  const int32_t code = args.group_dtype == 0 ? GGFP8_DTYPE_INT32 : args.group_dtype;
  if (code != GGFP8_DTYPE_INT32 && code != GGFP8_DTYPE_INT64) {
    return fail(GGFP8_ERROR_INVALID_DTYPE,
                "group_dtype: got code %d, wanted %d (int32) or %d (int64)", code,
                GGFP8_DTYPE_INT32, GGFP8_DTYPE_INT64);
  }
  problem->groups_are_int64 = code == GGFP8_DTYPE_INT64;
  return kSuccess;
}

// One of the two pointers is the group array; m_indptr can only be that of indptr and int32.
Status read_array(const Args& args, Problem* problem) {
  const bool is_m_indptr = args.group_layout == GGFP8_GROUPS_INDPTR && !problem->groups_are_int64;
  if (args.m_indptr != nullptr && (args.groups != nullptr || !is_m_indptr)) {
    return fail(GGFP8_ERROR_INVALID_GROUP_LAYOUT,
                "m_indptr: got an array beside group_layout %s of %s%s, wanted NULL, and that "
                "layout's array as groups",
                name_of(problem->group_kind), problem->groups_are_int64 ? "int64" : "int32",
                args.groups != nullptr ? " and an array as groups" : "");
  }
  const char* const name = args.m_indptr != nullptr ? "m_indptr" : "groups";
  problem->groups = args.m_indptr != nullptr ? args.m_indptr : args.groups;
  const int64_t value_bytes = problem->groups_are_int64 ? 8 : 4;
  if (is_aligned(problem->groups, value_bytes)) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_ALIGNMENT,
              "%s: got address %p, wanted a multiple of %" PRId64 " bytes", name, problem->groups,
              value_bytes);
}

Status read_alignment(const Args& args, Problem* problem) {
  const int32_t alignment = args.group_alignment == 0 ? 1 : args.group_alignment;
  const bool has_alignment =
      problem->group_kind == GroupKind::kEnds || problem->group_kind == GroupKind::kCounts;
  if (alignment < 1) {
    return fail(GGFP8_ERROR_INVALID_GROUP_LAYOUT, "group_alignment: got %d, wanted at least 1",
                alignment);
  }
  if (alignment > 1 && !has_alignment) {
    return fail(GGFP8_ERROR_INVALID_GROUP_LAYOUT,
                "group_alignment: got %d with group_layout %s, wanted 1: it belongs to ends and "
                "counts",
                alignment, name_of(problem->group_kind));
  }
  problem->group_alignment = alignment;
  return kSuccess;
}

Status read_expected_m(const Args& args, Problem* problem) {
  if (args.expected_m < 0) {
    return fail(GGFP8_ERROR_INVALID_SHAPE, "expected_m: got %" PRId64 ", wanted at least 0",
                args.expected_m);
  }
  if (problem->group_kind != GroupKind::kMasked) {
    if (args.expected_m == 0) return kSuccess;
    return fail(GGFP8_ERROR_INVALID_GROUP_LAYOUT,
                "expected_m: got %" PRId64 " with group_layout %s, wanted 0: it belongs to masked",
                args.expected_m, name_of(problem->group_kind));
  }
  problem->expected_m = min_of(args.expected_m, max_of<int64_t>(problem->rows_per_slab(), 1));
  return kSuccess;
}

}  // namespace

Status read_group_options(const Args& args, Problem* problem) noexcept {
  if (Status s = read_layout(args, problem)) return s;
  if (Status s = read_dtype(args, problem)) return s;
  return read_alignment(args, problem);
}

Status read_group_array(const Args& args, Problem* problem) noexcept {
  if (Status s = check_slabs(*problem)) return s;
  if (Status s = read_array(args, problem)) return s;
  return read_expected_m(args, problem);
}

Status check_group_array_given(const Problem& problem) noexcept {
  if (problem.groups != nullptr) return kSuccess;
  const bool is_m_indptr = problem.group_kind == GroupKind::kIndptr && !problem.groups_are_int64;
  return fail(GGFP8_ERROR_INVALID_ARGUMENT,
              "%s: got NULL, wanted an array of %" PRId64 " elements (group_layout %s)",
              is_m_indptr ? "m_indptr" : "groups",
              num_group_values(problem.group_kind, problem.batch_size),
              name_of(problem.group_kind));
}

}  // namespace ggfp8
