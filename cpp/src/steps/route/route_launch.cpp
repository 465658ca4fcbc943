#include "cuda/device_guard.h"
#include "cuda/kernel_launch.h"
#include "steps/route/route_cuda.h"
#include "steps/route/route_kernels.h"
#include "steps/route/route_params.h"
#include "steps/route/route_plan.h"

namespace ggfp8::steps {
namespace {

KernelState count_state;
KernelState place_state;

}  // namespace

Status route_on_cuda(const RouteProblem& problem, void* workspace, void* stream) {
  const DeviceGuard guard(problem.device_id);
  if (guard.status() != kSuccess) return guard.status();
  const RouteParams params = {problem, plan_route(problem.num_pairs(), problem.num_groups),
                              static_cast<int32_t*>(workspace)};
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  KernelLaunch launch;
  launch.device_id = problem.device_id;
  launch.num_ctas = static_cast<unsigned>(params.plan.num_chunks);
  launch.threads_per_cta = kRouteThreads;
  launch.waits_for_kernels_before = true;
  KernelLaunch count = launch;
  count.kernel = route_count_address();
  launch.kernel = route_place_address();
  // The second kernel is prepared before the first is enqueued: after a failure neither runs.
  if (Status s = prepare_kernel(launch, &place_state)) return s;
  if (params.plan.num_chunks > 1) {
    if (Status s = launch_kernel(count, &count_state, &params, cuda_stream)) return s;
  }
  return launch_kernel(launch, &place_state, &params, cuda_stream);
}

}  // namespace ggfp8::steps
