#include "steps/combine/combine_cpu.h"

#include "host/work_counter.h"
#include "steps/cpu_isa_choice.h"

namespace ggfp8::steps {

extern const FindCombineToken kFindCombineTokenPortable;
#ifdef GGFP8_CPU_X86
extern const FindCombineToken kFindCombineTokenAvx2;
extern const FindCombineToken kFindCombineTokenAvx512;
#endif

namespace {

CombineToken choose_token_function(const CombineProblem& problem,
                                   [[maybe_unused]] const DeviceInfo& device) {
#ifdef GGFP8_CPU_X86
  const FindCombineToken find =
      choose_isa(device, kFindCombineTokenPortable, kFindCombineTokenAvx2, kFindCombineTokenAvx512);
#else
  const FindCombineToken find = kFindCombineTokenPortable;
#endif
  return find(problem.x_dtype);
}

}  // namespace

Status combine_on_cpu(const CombineProblem& problem, const DeviceInfo& device) {
  const CombineToken combine_token = choose_token_function(problem, device);
  const int64_t token_bytes = (problem.top_k + 1) * problem.k * size_of(problem.x_dtype);
  for_each_in_parallel(problem.num_tokens, token_bytes, device.num_processors,
                       [&](int64_t token) noexcept { combine_token(problem, token); });
  return kSuccess;
}

}  // namespace ggfp8::steps
