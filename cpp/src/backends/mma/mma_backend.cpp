// Backend mma: the portable kernel for every NVIDIA GPU since compute capability 8.0.
#include "backends/mma/mma_config.h"
#include "backends/mma/mma_heuristics.h"
#include "backends/mma/mma_instances.h"
#include "backends/mma/mma_params.h"
#include "backends/mma/mma_shared_storage.h"
#include "core/math.h"
#include "cuda/device_guard.h"
#include "cuda/kernel_launch.h"
#include "cuda/kernel_table.h"
#include "select/backend.h"

namespace ggfp8 {

extern const Backend kMmaBackend;

namespace mma {
namespace {

constexpr auto kKernelTable =
    make_kernel_table<kNumInstances>([]<int kIdx>() { return &kernel_address<kIdx>; });

KernelState kernel_states[kNumInstances];

Params make_params(const Problem& problem, const Config& config) {
  Params params = {};
  params.a = problem.a.data;
  params.b = problem.b.data;
  params.sfa = problem.sfa.data;
  params.sfb = problem.sfb.data;
  params.out = problem.out.data;
  params.a_row_stride = problem.a.row_stride;
  params.a_slab_stride = problem.a.group_stride;
  params.b_row_stride = problem.b.row_stride;
  params.b_group_stride = problem.b.group_stride;
  params.out_row_stride = problem.out.row_stride;
  params.out_slab_stride = problem.out.group_stride;
  params.sfa_m_stride = problem.sfa.mn_stride;
  params.sfa_k_stride = problem.sfa.k_stride;
  params.sfa_slab_stride = problem.sfa.group_stride;
  params.sfb_n_stride = problem.sfb.mn_stride;
  params.sfb_k_stride = problem.sfb.k_stride;
  params.sfb_group_stride = problem.sfb.group_stride;
  params.schedule = make_group_schedule(problem, config.tile_m);
  params.n = static_cast<int32_t>(problem.n);
  params.k = static_cast<int32_t>(problem.k);
  params.num_k_blocks = static_cast<int32_t>(problem.num_k_blocks);
  params.granularity_m = problem.granularity_m;
  params.granularity_n = problem.granularity_n;
  params.granularity_k = problem.granularity_k;
  params.num_n_tiles = ceil_div(params.n, config.tile_n);
  params.out_dtype = problem.out_dtype;
  // Row, slab and group strides of a and b are multiples of 16, so the base decides.
  params.a_aligned = is_aligned(problem.a.data, 16);
  params.b_aligned = is_aligned(problem.b.data, 16);
  params.out_aligned = problem.out_rows_aligned(16);
  return params;
}

Status launch(const Problem& problem, const DeviceInfo&, const Plan& plan,
              const LaunchContext& context) {
  const DeviceGuard guard(problem.device_id);
  if (guard.status() != kSuccess) return guard.status();
  const Config config = config_of(plan.config_idx);
  const Params params = make_params(problem, config);
  KernelLaunch launch;
  launch.kernel = kKernelTable[static_cast<size_t>(plan.config_idx)]();
  launch.device_id = problem.device_id;
  launch.num_ctas = static_cast<unsigned>(plan.num_workers);
  launch.threads_per_cta = static_cast<unsigned>(config.num_threads());
  launch.smem_bytes = static_cast<size_t>(kSmemBytes[static_cast<size_t>(plan.config_idx)]);
  return launch_kernel(launch, &kernel_states[plan.config_idx], &params,
                       static_cast<cudaStream_t>(context.stream));
}

}  // namespace
}  // namespace mma

const Backend kMmaBackend = {"mma", mma::supports, mma::plan, mma::launch, mma::kShapeNames};

}  // namespace ggfp8
