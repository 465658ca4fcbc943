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

RowShape shape_of(const QuantizeProblem& p) {
  if (p.position != nullptr) return {kChunkSize, kScatterThreads, 1};
  const RowOrigin origin =
      p.gate.enabled
          ? RowOrigin::kGates
          : (p.index_type == IndexType::kNone ? RowOrigin::kRow : RowOrigin::kIndexedRow);
  return choose_row_shape(origin, p.batch_size * p.rows, p.num_k_blocks(), p.block_k);
}

BlockTiles tiles_of(const QuantizeProblem& p, const RowShape& shape, int lanes) {
  return p.position != nullptr ? deal_scatter_blocks(p.num_k_blocks(), lanes)
                               : deal_blocks(p.num_k_blocks(), lanes, shape.max_threads);
}

QuantizeKernel choose_kernel(const QuantizeProblem& problem, const RowShape& shape) {
  if (problem.gate.enabled) {
    return shape.chunk_size == kSmallChunkSize ? QuantizeKernel::kSmallGate : QuantizeKernel::kGate;
  }
  if (problem.block_rows > 1) return QuantizeKernel::kTall;
  if (problem.position != nullptr) return QuantizeKernel::kScatter;
  return shape.rows_per_cta > kMidGridRows ? QuantizeKernel::kRows : QuantizeKernel::kFewRows;
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

bool are_scales_joined(const QuantizeProblem& p) {
  return p.scale_k_stride == 1 && p.scale_row_stride % 4 == 0 && is_aligned(p.scale, 16);
}

// CTAs that run at the same time share rows, rather than columns, where that joins their accesses:
// a row that is gathered is read again in the same columns, and scales of a scattered row that lie
// apart meet those of other rows.
bool has_tiles_first(const QuantizeProblem& p, int64_t num_row_ctas) {
  const bool scales_together = p.scale_k_stride <= p.scale_row_stride;
  return !p.gate.enabled && p.index_type == IndexType::kNone &&
         (p.position == nullptr || scales_together) && num_row_ctas <= kMaxGridYZ;
}

unsigned grid_size(int64_t count, int64_t limit) {
  return static_cast<unsigned>(min_of(count, limit));
}

}  // namespace

Status quantize_on_cuda(const QuantizeProblem& problem, void* stream) {
  const DeviceGuard guard(problem.device_id);
  if (guard.status() != kSuccess) return guard.status();
  const RowShape shape = shape_of(problem);
  const int lanes = lanes_log2(problem.block_k, shape.chunk_size);
  const BlockTiles tiles = tiles_of(problem, shape, 1 << lanes);
  const int64_t num_row_ctas = ceil_div<int64_t>(problem.rows, shape.rows_per_cta);
  const QuantizeParams params = {problem,
                                 static_cast<int32_t>(problem.num_k_blocks()),
                                 lanes,
                                 tiles.blocks_per_tile,
                                 tiles.num_tiles,
                                 shape.rows_per_cta,
                                 has_tiles_first(problem, num_row_ctas),
                                 is_x_aligned(problem),
                                 is_out_aligned(problem),
                                 are_scales_joined(problem)};
  const QuantizeKernel kind = choose_kernel(problem, shape);
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
    const int64_t first_axis = params.tiles_first ? tiles.num_tiles : num_row_ctas;
    const int64_t second_axis = params.tiles_first ? num_row_ctas : tiles.num_tiles;
    launch.num_ctas = static_cast<unsigned>(first_axis);
    launch.num_ctas_y = grid_size(second_axis, kMaxGridYZ);
    launch.threads_per_cta = static_cast<unsigned>(tiles.num_threads);
  }
  return launch_kernel(launch, &kernel_states[idx], &params, static_cast<cudaStream_t>(stream));
}

}  // namespace ggfp8::steps
