// The `amx` backend: host pointers on processors with tile registers, every case of the contract.
//
// A launch cuts the problem into tiles (amx_tile_shape), hands them to a few threads
// (host/tile_workers), and computes each in tile registers (amx_gemm_tile).
#include "backends/amx/amx_gemm.h"
#include "backends/amx/amx_scratch.h"
#include "backends/amx/amx_tile_shape.h"
#include "core/math.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "host/tile_workers.h"
#include "select/backend.h"

namespace ggfp8 {
namespace {

Support supports(const Problem& problem, const DeviceInfo& device) {
  if (problem.device_type != DeviceType::kCpu) return refuse("it takes host pointers only");
  if (device.amx_refusal != nullptr) return refuse(device.amx_refusal);
  return {};
}

Plan plan(const Problem& problem, const DeviceInfo& device) {
  Plan plan;
  plan.config_name = "amx 32x32";
  plan.num_workers = amx_workers(problem, problem.cum_m, min_of(problem.batch_size, problem.cum_m),
                                 device.num_processors);
  return plan;
}

Status launch(const Problem& problem, const DeviceInfo&, const Plan& plan, const LaunchContext&) {
  const WorkSummary work = summarize_work(problem);
  if (work.num_rows == 0) return kSuccess;
  const int32_t num_workers =
      amx_workers(problem, work.num_rows, work.num_groups, plan.num_workers);
  const TileShape shape = amx_tile_shape(problem, work, num_workers);
  const auto compute_tile = [&](const WorkTile& tile, const AmxScratch& scratch) noexcept {
    compute_amx_tile(problem, tile, scratch);
  };
  if (!compute_tiles<AmxScratchMemory>(problem, shape, num_workers, compute_tile)) {
    return fail(GGFP8_ERROR_OUT_OF_HOST_MEMORY, "amx backend: no memory for its scratch tiles");
  }
  return kSuccess;
}

}  // namespace

extern const Backend kAmxBackend = {"amx", supports, plan, launch};

}  // namespace ggfp8
