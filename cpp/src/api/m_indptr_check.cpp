#include "api/m_indptr_check.h"

#include <cinttypes>
#include <vector>

#include "cuda/cuda_device.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

Status check_m_indptr_values(const Problem& problem, const int32_t* values) noexcept {
  int32_t previous = 0;
  for (int64_t i = 0; i <= problem.batch_size; ++i) {
    const int32_t value = values[i];
    if (value < previous || value > problem.cum_m) {
      return fail(GGFP8_ERROR_INVALID_M_INDPTR,
                  "m_indptr[%" PRId64 "]: got %d, wanted %d to cum_m = %" PRId64
                  " in non-decreasing order",
                  i, value, previous, problem.cum_m);
    }
    if (value % problem.granularity_m != 0) {
      return fail(GGFP8_ERROR_INVALID_M_INDPTR,
                  "m_indptr[%" PRId64 "]: got %d, wanted a multiple of scale_granularity_m = %d", i,
                  value, problem.granularity_m);
    }
    previous = value;
  }
  return kSuccess;
}

Status check_m_indptr(const Problem& problem, void* stream) {
  if (problem.device_type == DeviceType::kCpu) {
    return check_m_indptr_values(problem, problem.m_indptr);
  }
  std::vector<int32_t> values(static_cast<size_t>(problem.batch_size) + 1);
  if (Status s = copy_to_host(problem.device_id, values.data(), problem.m_indptr,
                              values.size() * sizeof(int32_t), stream)) {
    return s;
  }
  return check_m_indptr_values(problem, values.data());
}

}  // namespace ggfp8
