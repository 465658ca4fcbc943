// Backend sm90: TMA and WGMMA on Hopper.
#include <bit>
#include <cstdint>

#include "backends/sm90/sm90_config.h"
#include "backends/sm90/sm90_heuristics.h"
#include "backends/sm90/sm90_instances.h"
#include "backends/sm90/sm90_last_wave.h"
#include "backends/sm90/sm90_params.h"
#include "backends/sm90/sm90_rasterization.h"
#include "backends/sm90/sm90_shared_storage.h"
#include "backends/sm90/sm90_tile_schedule.h"
#include "core/math.h"
#include "cuda/device_guard.h"
#include "cuda/kernel_launch.h"
#include "cuda/kernel_table.h"
#include "cuda/tensor_map.h"
#include "select/backend.h"

namespace ggfp8 {

extern const Backend kSm90Backend;

namespace sm90 {
namespace {

constexpr auto kKernelTable =
    make_kernel_table<kNumInstances>([]<int kIdx>() { return &kernel_address<kIdx>; });

KernelState kernel_states[kNumInstances];

// Tensor maps want a stride between slabs, also where there is one slab and nothing reads it.
int64_t slab_stride(int64_t stride, int64_t row_stride) {
  return stride == 0 ? row_stride : stride;
}

Status encode_maps(const Problem& problem, const Config& config, int tile_n, Params* params) {
  const ByteMatrices a = {
      .data = problem.a.data,
      .row_bytes = problem.k,
      .num_rows = problem.rows_per_slab(),
      .num_matrices = problem.num_slabs(),
      .row_stride = problem.a.row_stride,
      .matrix_stride = slab_stride(problem.a.group_stride, problem.a.row_stride)};
  const ByteMatrices b = {.data = problem.b.data,
                          .row_bytes = problem.k,
                          .num_rows = problem.n,
                          .num_matrices = problem.batch_size,
                          .row_stride = problem.b.row_stride,
                          .matrix_stride = problem.b.group_stride};
  if (Status s = encode_tensor_map(a, config.a_box_rows, &params->a_map)) return s;
  if (config.whole_a_box && problem.rows_per_slab() > config.block_m - config.a_box_rows) {
    if (Status s = encode_tensor_map(a, config.block_m, &params->whole_a_map)) return s;
  }
  const int b_box_rows = config.open_width ? tile_n : config.b_box_rows;
  if (Status s = encode_tensor_map(b, b_box_rows, &params->b_map)) return s;
  if (config.is_small() && problem.k >= kBlockK) {
    const int depth = config.k_blocks_per_stage;
    if (Status s = encode_deep_tensor_map(a, config.a_box_rows, depth, &params->deep_a_map)) {
      return s;
    }
    if (Status s = encode_deep_tensor_map(b, config.b_box_rows, depth, &params->deep_b_map)) {
      return s;
    }
  }
  params->tma_store = can_store_by_tma(problem, config);
  if (params->tma_store) {
    const ByteMatrices out = {
        .data = problem.out.data,
        .row_bytes = problem.n * 2,
        .num_rows = problem.rows_per_slab(),
        .num_matrices = problem.num_slabs(),
        .row_stride = problem.out.row_stride * 2,
        .matrix_stride = slab_stride(problem.out.group_stride * 2, problem.out.row_stride * 2)};
    if (Status s = encode_tensor_map(out, kStoreBoxRows, &params->out_map)) return s;
  }
  return kSuccess;
}

Status make_params(const Problem& problem, const Config& config, const Plan& plan, Params* params) {
  if (Status s = encode_maps(problem, config, plan.tile_n, params)) return s;
  params->sfa = problem.sfa.data;
  params->sfb = problem.sfb.data;
  params->out = problem.out.data;
  params->out_row_stride = problem.out.row_stride;
  params->out_slab_stride = problem.out.group_stride;
  params->sfa_m_stride = problem.sfa.mn_stride;
  params->sfa_k_stride = problem.sfa.k_stride;
  params->sfa_slab_stride = problem.sfa.group_stride;
  params->sfb_n_stride = problem.sfb.mn_stride;
  params->sfb_k_stride = problem.sfb.k_stride;
  params->sfb_group_stride = problem.sfb.group_stride;
  params->last_slab_idx = static_cast<int32_t>(problem.num_slabs() - 1);
  params->n = static_cast<int32_t>(problem.n);
  params->num_k_blocks = static_cast<int32_t>(num_loaded_k_blocks(problem));
  params->num_full_k_blocks = static_cast<int32_t>(problem.k / kBlockK);
  params->num_scale_blocks = static_cast<int32_t>(problem.num_k_blocks);
  params->log2_granularity_m = std::countr_zero(static_cast<uint32_t>(problem.granularity_m));
  params->log2_granularity_n = std::countr_zero(static_cast<uint32_t>(problem.granularity_n));
  params->schedule = make_tile_schedule(problem, config, plan.tile_n);
  params->tile_n = plan.tile_n;
  params->num_n_tiles = params->schedule.tiles_per_long;
  params->max_band_size = max_band_size(problem, config);
  params->place_step = place_step(plan.num_workers / config.cluster_size);
  params->out_dtype = problem.out_dtype;
  params->tma_sfa = !config.is_small() && can_load_sfa_by_tma(problem);
  params->out_aligned = problem.out_rows_aligned(16);
  return kSuccess;
}

Status launch(const Problem& problem, const DeviceInfo&, const Plan& plan,
              const LaunchContext& context) {
  const DeviceGuard guard(problem.device_id);
  if (guard.status() != kSuccess) return guard.status();
  const Config config = config_of(plan.config_idx);
  Params params = {};
  if (Status s = make_params(problem, config, plan, &params)) return s;
  KernelLaunch launch;
  launch.kernel = kKernelTable[static_cast<size_t>(plan.config_idx)]();
  launch.device_id = problem.device_id;
  launch.num_ctas = static_cast<unsigned>(plan.num_workers);
  launch.ctas_per_cluster = static_cast<unsigned>(config.cluster_size);
  launch.threads_per_cta = static_cast<unsigned>(config.num_threads());
  launch.smem_bytes = kSmemBytes[static_cast<size_t>(plan.config_idx)];
  launch.waits_for_kernels_before = true;
  return launch_kernel(launch, &kernel_states[plan.config_idx], &params,
                       static_cast<cudaStream_t>(context.stream));
}

}  // namespace
}  // namespace sm90

const Backend kSm90Backend = {"sm90", sm90::supports, sm90::plan, sm90::launch, sm90::kShapeNames};

}  // namespace ggfp8
