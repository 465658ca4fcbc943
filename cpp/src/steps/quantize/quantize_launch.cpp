#include "core/math.h"
#include "cuda/device_guard.h"
#include "cuda/kernel_launch.h"
#include "steps/quantize/quantize_config.h"
#include "steps/quantize/quantize_cuda.h"
#include "steps/quantize/quantize_kernels.h"
#include "steps/quantize/quantize_params.h"

namespace ggfp8::steps {
namespace {

KernelState kernel_states[kNumQuantizeKernels];

QuantizeKernel choose_kernel(const QuantizeProblem& problem) {
  if (problem.gate.enabled) return QuantizeKernel::kGate;
  return problem.block_rows == 1 ? QuantizeKernel::kRows : QuantizeKernel::kTall;
}

// A chunk begins at a multiple of 16 elements of a row, and the up half at column k.
bool is_x_aligned(const QuantizeProblem& p) {
  const int64_t bytes = size_of(p.x_dtype);
  return is_aligned(p.x, 16) && p.x_row_stride * bytes % 16 == 0 &&
         p.x_batch_stride * bytes % 16 == 0 && (!p.gate.enabled || p.k * bytes % 16 == 0);
}

bool is_out_aligned(const QuantizeProblem& p) {
  return is_aligned(p.out, 16) && p.out_row_stride % 16 == 0 && p.out_batch_stride % 16 == 0;
}

unsigned grid_size(int64_t count, int64_t limit) {
  return static_cast<unsigned>(min_of(count, limit));
}

}  // namespace

Status quantize_on_cuda(const QuantizeProblem& problem, void* stream) {
  const DeviceGuard guard(problem.device_id);
  if (guard.status() != kSuccess) return guard.status();
  const int lanes = lanes_log2(problem.block_k);
  const RowTiles tiles = make_row_tiles(problem.num_k_blocks(), 1 << lanes);
  const QuantizeParams params = {
      problem,
      static_cast<int32_t>(problem.num_k_blocks()),
      lanes,
      tiles.blocks_per_tile,
      tiles.num_tiles,
      choose_rows_per_cta(problem.batch_size * problem.rows, tiles.num_tiles),
      is_x_aligned(problem),
      is_out_aligned(problem)};
  const QuantizeKernel kind = choose_kernel(problem);
  const int idx = quantize_kernel_idx(kind, problem.x_dtype, problem.out_dtype);
  KernelLaunch launch;
  launch.kernel = quantize_kernel_address(idx);
  launch.device_id = problem.device_id;
  launch.waits_for_kernels_before = true;
  launch.num_ctas_z = grid_size(problem.batch_size, kMaxGridYZ);
  if (kind == QuantizeKernel::kTall) {
    launch.num_ctas = static_cast<unsigned>(problem.num_k_blocks());
    launch.num_ctas_y = grid_size(problem.num_row_blocks(), kMaxGridYZ);
    launch.threads_per_cta = kTallThreads;
  } else {
    launch.num_ctas = static_cast<unsigned>(ceil_div<int64_t>(problem.rows, params.rows_per_cta));
    launch.num_ctas_y = grid_size(tiles.num_tiles, kMaxGridYZ);
    launch.threads_per_cta = static_cast<unsigned>(tiles.num_threads);
  }
  return launch_kernel(launch, &kernel_states[idx], &params, static_cast<cudaStream_t>(stream));
}

}  // namespace ggfp8::steps
