#include "api/group_check.h"

#include <cinttypes>
#include <vector>

#include "core/math.h"
#include "cuda/cuda_device.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {
namespace {

int64_t value_at(const Problem& problem, const void* values, int64_t idx) {
  return problem.groups_are_int64 ? static_cast<const int64_t*>(values)[idx]
                                  : static_cast<const int32_t*>(values)[idx];
}

Status check_start(const Problem& problem, int64_t group, int64_t start) {
  if (start % problem.granularity_m == 0) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_M_INDPTR,
              "%s: got row %" PRId64 " as the start of group %" PRId64
              ", wanted a multiple of scale_granularity_m = %d",
              group_array_name(problem.group_kind), start, group, problem.granularity_m);
}

Status check_indptr(const Problem& problem, const void* values) {
  int64_t previous = 0;
  for (int64_t i = 0; i <= problem.batch_size; ++i) {
    const int64_t value = value_at(problem, values, i);
    if (value < previous || value > problem.cum_m) {
      return fail(GGFP8_ERROR_INVALID_M_INDPTR,
                  "m_indptr[%" PRId64 "]: got %" PRId64 ", wanted %" PRId64 " to cum_m = %" PRId64
                  " in non-decreasing order",
                  i, value, previous, problem.cum_m);
    }
    if (value % problem.granularity_m != 0) {
      return fail(GGFP8_ERROR_INVALID_M_INDPTR,
                  "m_indptr[%" PRId64 "]: got %" PRId64
                  ", wanted a multiple of scale_granularity_m = %d",
                  i, value, problem.granularity_m);
    }
    previous = value;
  }
  return kSuccess;
}

// An end that repeats the one before it means a group without rows, also where the aligned start is
// past it.
Status check_ends(const Problem& problem, const void* values) {
  int64_t previous = 0;
  for (int64_t g = 0; g < problem.batch_size; ++g) {
    const int64_t start = round_up<int64_t>(previous, problem.group_alignment);
    const int64_t value = value_at(problem, values, g);
    if (value == previous) continue;
    if (value < start || value > problem.cum_m) {
      return fail(GGFP8_ERROR_INVALID_M_INDPTR,
                  "m_ends[%" PRId64 "]: got %" PRId64 ", wanted %" PRId64 " or %" PRId64
                  " to cum_m = %" PRId64 " (group_alignment %d)",
                  g, value, previous, start, problem.cum_m, problem.group_alignment);
    }
    if (Status s = check_start(problem, g, start)) return s;
    previous = value;
  }
  return kSuccess;
}

Status check_counts(const Problem& problem, const void* values) {
  int64_t start = 0;
  for (int64_t g = 0; g < problem.batch_size; ++g) {
    const int64_t value = value_at(problem, values, g);
    const int64_t num_left = max_of<int64_t>(problem.cum_m - start, 0);
    if (value < 0 || value > num_left) {
      return fail(GGFP8_ERROR_INVALID_M_INDPTR,
                  "m_counts[%" PRId64 "]: got %" PRId64 ", wanted 0 to %" PRId64
                  ", the rows from row %" PRId64 " to cum_m = %" PRId64,
                  g, value, num_left, start, problem.cum_m);
    }
    if (value == 0) continue;
    if (Status s = check_start(problem, g, start)) return s;
    start += round_up<int64_t>(value, problem.group_alignment);
  }
  return kSuccess;
}

Status check_masked(const Problem& problem, const void* values) {
  for (int64_t g = 0; g < problem.batch_size; ++g) {
    const int64_t value = value_at(problem, values, g);
    if (value < 0 || value > problem.rows_per_slab()) {
      return fail(GGFP8_ERROR_INVALID_M_INDPTR,
                  "m_counts[%" PRId64 "]: got %" PRId64 ", wanted 0 to %" PRId64
                  ", the rows of a slab",
                  g, value, problem.rows_per_slab());
    }
  }
  return kSuccess;
}

}  // namespace

Status check_group_values(const Problem& problem, const void* values) noexcept {
  switch (problem.group_kind) {
    case GroupKind::kIndptr: return check_indptr(problem, values);
    case GroupKind::kEnds: return check_ends(problem, values);
    case GroupKind::kCounts: return check_counts(problem, values);
    default: return check_masked(problem, values);
  }
}

Status check_groups(const Problem& problem, void* stream) {
  if (problem.device_type == DeviceType::kCpu) return check_group_values(problem, problem.groups);
  const int64_t num_values = num_group_values(problem.group_kind, problem.batch_size);
  const int64_t value_bytes = problem.groups_are_int64 ? sizeof(int64_t) : sizeof(int32_t);
  std::vector<unsigned char> values(static_cast<size_t>(num_values * value_bytes));
  if (Status s =
          copy_to_host(problem.device_id, values.data(), problem.groups, values.size(), stream)) {
    return s;
  }
  return check_group_values(problem, values.data());
}

}  // namespace ggfp8
