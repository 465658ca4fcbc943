// api/m_indptr_check.h: what passes, and the index and words of what does not.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "api/m_indptr_check.h"
#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

using ggfp8::Problem;
using ggfp8::Status;

Problem problem_for(const std::vector<int32_t>& values, int64_t cum_m, int32_t granularity_m) {
  Problem problem;
  problem.batch_size = static_cast<int64_t>(values.size()) - 1;
  problem.cum_m = cum_m;
  problem.granularity_m = granularity_m;
  problem.m_indptr = values.data();
  problem.device_type = ggfp8::DeviceType::kCpu;
  return problem;
}

Status checked(const std::vector<int32_t>& values, int64_t cum_m, int32_t granularity_m = 1) {
  const Problem problem = problem_for(values, cum_m, granularity_m);
  const Status status = ggfp8::check_m_indptr_values(problem, values.data());
  CHECK_EQ(ggfp8::check_m_indptr(problem, nullptr), status);
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

void check_first_bad_index(const std::vector<int32_t>& values, int64_t cum_m, int32_t granularity_m,
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

// Every index of a long array is looked at, and none behind it.
void check_every_index() {
  std::vector<int32_t> values(300);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int32_t>(2 * i);
  for (size_t i = 0; i < values.size(); ++i) {
    std::vector<int32_t> bad = values;
    bad[i] = -1;
    check_first_bad_index(bad, 598, 1, i, "wanted");
  }
}

// Without CUDA a device array cannot be read; the status says so.
void check_device_array() {
  const std::vector<int32_t> values = {0, 1};
  Problem problem = problem_for(values, 1, 1);
  problem.device_type = ggfp8::DeviceType::kCuda;
  CHECK_EQ(ggfp8::check_m_indptr(problem, nullptr), GGFP8_ERROR_NO_DRIVER);
}

}  // namespace

int main() {
  check_legal();
  check_illegal();
  check_every_index();
  check_device_array();
  return check::report();
}
