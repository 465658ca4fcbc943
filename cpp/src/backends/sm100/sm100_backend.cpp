// Backend sm100: tcgen05 on data-centre Blackwell. A launch is two kernels: one fills the group
// tables in the workspace, the other is CUTLASS's grouped GEMM, which reads them.
#include <cstddef>

#include "backends/sm100/sm100_config.h"
#include "backends/sm100/sm100_gemm.h"
#include "backends/sm100/sm100_group_tables.h"
#include "backends/sm100/sm100_heuristics.h"
#include "backends/sm100/sm100_params.h"
#include "cuda/device_guard.h"
#include "cuda/kernel_launch.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "select/backend.h"

namespace ggfp8 {

extern const Backend kSm100Backend;

namespace sm100 {
namespace {

KernelState table_kernel_state;
KernelState gemm_kernel_states[kNumConfigs];

KernelLaunch table_launch(const Problem& problem) {
  KernelLaunch launch;
  launch.kernel = table_kernel_address();
  launch.device_id = problem.device_id;
  launch.threads_per_cta = kNumTableThreads;
  return launch;
}

KernelLaunch gemm_launch(const Problem& problem, const Plan& plan) {
  const GemmKernel kernel = gemm_kernel_of(plan.config_idx);
  KernelLaunch launch;
  launch.kernel = kernel.address;
  launch.device_id = problem.device_id;
  launch.num_ctas = static_cast<unsigned>(plan.num_workers);
  launch.ctas_per_cluster = static_cast<unsigned>(config_of(plan.config_idx).mma_sm);
  launch.threads_per_cta = kernel.num_threads;
  launch.smem_bytes = kernel.smem_bytes;
  return launch;
}

// Both kernels are made ready before the first is enqueued, so that what can fail fails before.
Status launch(const Problem& problem, const DeviceInfo& device, const Plan& plan,
              const LaunchContext& context) {
  const DeviceGuard guard(problem.device_id);
  if (guard.status() != kSuccess) return guard.status();

  const TableLayout layout = lay_out_tables(problem.batch_size, context.workspace);
  const TableParams table_params = make_table_params(problem, context.workspace);
  const GemmInput input = {.tables = layout.tables,
                           .batch_size = static_cast<int32_t>(problem.batch_size),
                           .device_id = problem.device_id,
                           .num_sms = device.num_processors,
                           .a_dtype = problem.a_dtype,
                           .b_dtype = problem.b_dtype,
                           .workspace = static_cast<char*>(context.workspace) + layout.bytes,
                           .workspace_bytes = plan.workspace_bytes - layout.bytes};
  alignas(kGemmParamsAlignment) std::byte gemm_params[kGemmParamsBytes];
  if (!make_gemm_params(plan.config_idx, input, gemm_params)) {
    return fail(GGFP8_ERROR_INTERNAL,
                "sm100: no params for kernel %s, wanted tensor maps from the driver and at most "
                "%zu bytes of workspace after the tables",
                plan.config_name, input.workspace_bytes);
  }

  const auto stream = static_cast<cudaStream_t>(context.stream);
  const KernelLaunch table = table_launch(problem);
  const KernelLaunch gemm = gemm_launch(problem, plan);
  KernelState* const gemm_state = &gemm_kernel_states[plan.config_idx];
  if (Status s = prepare_kernel(gemm, gemm_state)) return s;
  if (Status s = launch_kernel(table, &table_kernel_state, &table_params, stream)) return s;
  return launch_kernel(gemm, gemm_state, gemm_params, stream);
}

}  // namespace
}  // namespace sm100

const Backend kSm100Backend = {"sm100", sm100::supports, sm100::plan, sm100::launch};

}  // namespace ggfp8
