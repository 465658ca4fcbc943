#include "core/math.h"
#include "cuda/device_guard.h"
#include "cuda/kernel_launch.h"
#include "steps/combine/combine_cuda.h"
#include "steps/combine/combine_kernels.h"
#include "steps/combine/combine_params.h"

namespace ggfp8::steps {
namespace {

constexpr int64_t kMaxGridY = 65535;

KernelState kernel_states[2][3];  // for each size of grid, one per type of x

bool rows_aligned(const void* data, int64_t row_stride, Dtype dtype) {
  return is_aligned(data, 16) && row_stride * size_of(dtype) % 16 == 0;
}

}  // namespace

Status combine_on_cuda(const CombineProblem& problem, void* stream) {
  const DeviceGuard guard(problem.device_id);
  if (guard.status() != kSuccess) return guard.status();
  // Columns are shared out evenly to as many CTAs as the largest ones would need.
  const int64_t large_columns = int64_t{kMaxCombineThreads} * combine_shape(false).columns;
  const bool small_grid = problem.num_tokens * ceil_div(problem.k, large_columns) <= kSmallGridCtas;
  const int64_t num_chunks = ceil_div<int64_t>(problem.k, combine_shape(small_grid).columns);
  const int64_t num_ctas = ceil_div<int64_t>(num_chunks, kMaxCombineThreads);
  const int64_t num_threads = round_up<int64_t>(ceil_div(num_chunks, num_ctas), 32);
  CombineParams params = {};
  params.problem = problem;
  params.num_chunks = static_cast<int32_t>(num_chunks);
  params.x_aligned = rows_aligned(problem.x, problem.x_row_stride, problem.x_dtype);
  params.out_aligned = rows_aligned(problem.out, problem.out_row_stride, problem.out_dtype);

  KernelLaunch launch;
  launch.kernel = combine_kernel_address(problem.x_dtype, small_grid);
  launch.device_id = problem.device_id;
  launch.waits_for_kernels_before = true;
  launch.num_ctas = static_cast<unsigned>(problem.num_tokens);
  launch.num_ctas_y = static_cast<unsigned>(min_of(num_ctas, kMaxGridY));
  launch.threads_per_cta = static_cast<unsigned>(num_threads);
  const int state = static_cast<int>(problem.x_dtype) - static_cast<int>(Dtype::kBFloat16);
  return launch_kernel(launch, &kernel_states[small_grid][state], &params,
                       static_cast<cudaStream_t>(stream));
}

}  // namespace ggfp8::steps
