#include "steps/combine/combine_cpu.h"

#include "host/work_counter.h"

namespace ggfp8::steps {

extern const FindCombineToken kFindCombineTokenPortable;
#ifdef GGFP8_CPU_X86
extern const FindCombineToken kFindCombineTokenAvx2;
extern const FindCombineToken kFindCombineTokenAvx512;
#endif

namespace {

CombineToken choose_token_function(const CombineProblem& problem, const DeviceInfo& device) {
  switch (device.instruction_set) {
#ifdef GGFP8_CPU_X86
    case InstructionSet::kAvx512: return kFindCombineTokenAvx512(problem.x_dtype);
    case InstructionSet::kAvx2: return kFindCombineTokenAvx2(problem.x_dtype);
#endif
    default: return kFindCombineTokenPortable(problem.x_dtype);
  }
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
