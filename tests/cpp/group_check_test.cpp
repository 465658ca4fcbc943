// api/group_check.h: what passes in every layout, and the index and words of what does not.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "api/group_check.h"
#include "check.h"
#include "group_model.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

using ggfp8::GroupKind;
using ggfp8::Problem;
using ggfp8::Status;
using group_model::Groups;

Problem problem_for(const Groups& groups, int32_t granularity_m) {
  Problem problem;
  problem.batch_size = groups.num_groups();
  const bool has_slabs = groups.kind == GroupKind::kMasked;
  problem.cum_m = groups.num_rows * (has_slabs ? problem.batch_size : 1);
  problem.granularity_m = granularity_m;
  problem.groups = groups.data();
  problem.group_kind = groups.kind;
  problem.groups_are_int64 = groups.is_int64;
  problem.group_alignment = groups.alignment;
  problem.device_type = ggfp8::DeviceType::kCpu;
  return problem;
}

Status checked(const Groups& groups, int32_t granularity_m = 1) {
  const Problem problem = problem_for(groups, granularity_m);
  const Status status = ggfp8::check_group_values(problem, groups.data());
  CHECK_EQ(ggfp8::check_groups(problem, nullptr), status);
  return status;
}

Status checked(const std::vector<int64_t>& m_indptr, int64_t cum_m, int32_t granularity_m = 1) {
  const Status status = checked({GroupKind::kIndptr, cum_m, 1, false, m_indptr}, granularity_m);
  CHECK_EQ(checked({GroupKind::kIndptr, cum_m, 1, true, m_indptr}, granularity_m), status);
  return status;
}

void check_legal() {
  CHECK_EQ(checked({0}, 0), ggfp8::kSuccess);
  CHECK_EQ(checked({5}, 7), ggfp8::kSuccess);
  CHECK_EQ(checked({0, 3, 3, 10}, 10), ggfp8::kSuccess);
  CHECK_EQ(checked({2, 3, 9}, 10), ggfp8::kSuccess);  // neither from 0 nor to cum_m
  CHECK_EQ(checked({10, 10, 10}, 10), ggfp8::kSuccess);
  CHECK_EQ(checked({0, 128, 128, 384}, 400, 128), ggfp8::kSuccess);
  CHECK_EQ(checked({0, GGFP8_MAX_CUM_M}, GGFP8_MAX_CUM_M), ggfp8::kSuccess);
}

void check_first_bad_index(const std::vector<int64_t>& values, int64_t cum_m, int32_t granularity_m,
                           size_t idx, const std::string& wanted) {
  CHECK_EQ(checked(values, cum_m, granularity_m), GGFP8_ERROR_INVALID_M_INDPTR);
  const std::string sentence = ggfp8::last_error();
  const std::string opening =
      "m_indptr[" + std::to_string(idx) + "]: got " + std::to_string(values[idx]) + ",";
  if (!CHECK(sentence.starts_with(opening)) || !CHECK(sentence.find(wanted) != sentence.npos)) {
    std::cerr << "  " << sentence << "\n";
  }
}

void check_illegal() {
  check_first_bad_index({-1, 3}, 10, 1, 0, "wanted 0 to cum_m = 10");
  check_first_bad_index({INT32_MIN, 3}, 10, 1, 0, "non-decreasing");
  check_first_bad_index({11}, 10, 1, 0, "cum_m = 10");
  check_first_bad_index({0, 4, 3, 10}, 10, 1, 2, "wanted 4 to cum_m = 10");
  check_first_bad_index({0, 4, 3, -7, 99}, 10, 1, 2, "wanted 4");  // the first of several
  check_first_bad_index({0, 4, 11}, 10, 1, 2, "cum_m = 10");
  check_first_bad_index({0, INT32_MAX}, GGFP8_MAX_CUM_M, 1, 1, "cum_m = 2147483520");
  check_first_bad_index({0, 1}, 0, 1, 1, "cum_m = 0");
  check_first_bad_index({0, 127, 256}, 400, 128, 1, "multiple of scale_granularity_m = 128");
  check_first_bad_index({64, 128}, 400, 128, 0, "multiple of scale_granularity_m = 128");
  check_first_bad_index({0, 256, 300}, 300, 128, 2, "multiple of scale_granularity_m = 128");
}

// Every index of a long array is looked at, and none after it.
void check_every_index() {
  std::vector<int64_t> values(300);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int64_t>(2 * i);
  for (size_t i = 0; i < values.size(); ++i) {
    std::vector<int64_t> bad = values;
    bad[i] = -1;
    check_first_bad_index(bad, 598, 1, i, "wanted");
  }
}

void check_legal_layouts() {
  const auto passes = [](const Groups& groups, int32_t granularity_m = 1) {
    if (!CHECK_EQ(checked(groups, granularity_m), ggfp8::kSuccess)) group_model::print(groups);
  };
  for (const bool is_int64 : {false, true}) {
    passes({GroupKind::kEnds, 10, 1, is_int64, {0, 3, 3, 10}});
    passes({GroupKind::kEnds, 300, 128, is_int64, {3, 3, 128 + 5, 256 + 44}}, 128);
    passes({GroupKind::kEnds, 5, 8, is_int64, {5, 5, 5}});  // no rows past the first start
    passes({GroupKind::kCounts, 10, 1, is_int64, {0, 3, 0, 7}});
    passes({GroupKind::kCounts, 300, 128, is_int64, {3, 0, 128, 44}}, 128);
    passes({GroupKind::kCounts, 5, 8, is_int64, {5, 0, 0}});
    passes({GroupKind::kMasked, 10, 1, is_int64, {0, 10, 3}});
    passes({GroupKind::kMasked, 130, 1, is_int64, {1, 130}}, 128);
  }
  CHECK_EQ(checked({GroupKind::kEnds, 0, 1, false, {}}), ggfp8::kSuccess);
}

void check_sentence(const Groups& groups, int32_t granularity_m, const std::string& opening,
                    const std::string& wanted) {
  CHECK_EQ(checked(groups, granularity_m), GGFP8_ERROR_INVALID_M_INDPTR);
  const std::string sentence = ggfp8::last_error();
  if (!CHECK(sentence.starts_with(opening)) || !CHECK(sentence.find(wanted) != sentence.npos)) {
    std::cerr << "  " << sentence << "\n";
  }
}

void check_illegal_layouts() {
  constexpr int64_t kLarge = int64_t{1} << 40;
  check_sentence({GroupKind::kIndptr, 10, 1, true, {0, kLarge}}, 1,
                 "m_indptr[1]: got 1099511627776,", "cum_m = 10");
  check_sentence({GroupKind::kEnds, 10, 1, false, {4, 3}}, 1, "m_ends[1]: got 3,", "wanted 4");
  check_sentence({GroupKind::kEnds, 10, 1, true, {4, -kLarge}}, 1, "m_ends[1]: got -1099511627776,",
                 "wanted 4");
  check_sentence({GroupKind::kEnds, 10, 1, false, {4, 11}}, 1, "m_ends[1]: got 11,", "cum_m = 10");
  check_sentence({GroupKind::kEnds, 20, 8, false, {4, 6}}, 1, "m_ends[1]: got 6,",
                 "wanted 4 or 8 to cum_m = 20 (group_alignment 8)");
  check_sentence({GroupKind::kEnds, 300, 64, false, {3, 128}}, 128,
                 "m_ends: got row 64 as the start of group 1,", "scale_granularity_m = 128");
  check_sentence({GroupKind::kCounts, 10, 1, false, {4, -1}}, 1, "m_counts[1]: got -1,",
                 "wanted 0 to 6");
  check_sentence({GroupKind::kCounts, 10, 1, true, {4, kLarge}}, 1,
                 "m_counts[1]: got 1099511627776,", "wanted 0 to 6, the rows from row 4");
  check_sentence({GroupKind::kCounts, 10, 8, false, {4, 3}}, 1, "m_counts[1]: got 3,",
                 "wanted 0 to 2, the rows from row 8 to cum_m = 10");
  check_sentence({GroupKind::kCounts, 300, 1, false, {64, 128}}, 128,
                 "m_counts: got row 64 as the start of group 1,", "scale_granularity_m = 128");
  check_sentence({GroupKind::kMasked, 10, 1, false, {10, 11}}, 1, "m_counts[1]: got 11,",
                 "wanted 0 to 10, the rows of a slab");
  check_sentence({GroupKind::kMasked, 10, 1, true, {-1, 11}}, 1, "m_counts[0]: got -1,", "slab");
}

// Without CUDA a device array cannot be read; the status says so.
void check_device_array() {
  for (const GroupKind kind : group_model::kKinds) {
    const Groups groups = {kind, 1, 1, true, {0, 1}};
    Problem problem = problem_for(groups, 1);
    problem.device_type = ggfp8::DeviceType::kCuda;
    CHECK_EQ(ggfp8::check_groups(problem, nullptr), GGFP8_ERROR_NO_DRIVER);
  }
}

}  // namespace

int main() {
  check_legal();
  check_illegal();
  check_every_index();
  check_legal_layouts();
  check_illegal_layouts();
  check_device_array();
  return check::report();
}
