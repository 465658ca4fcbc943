// The `cpu` backend: host pointers, any processor, every case of the contract.
//
// A launch cuts the problem into tiles (cpu_tile_shape), hands them to a few threads
// (host/tile_workers), and computes each with the widest instruction set there is (cpu_isa,
// cpu_gemm_tile).
#include <cstddef>
#include <iterator>
#include <new>

#include "backends/cpu/cpu_isa.h"
#include "backends/cpu/cpu_tile_shape.h"
#include "core/math.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "host/tile_plan.h"
#include "host/tile_workers.h"
#include "select/backend.h"

namespace ggfp8 {
namespace {

// One allocation per thread and call, carved into the parts of CpuScratch.
class ScratchMemory {
 public:
  explicit ScratchMemory(const TileShape& shape) noexcept {
    const int64_t rows = round_up(shape.max_rows, kFloatsPerLine);
    const int64_t sizes[] = {rows * kMaxGranularityK, kMaxGranularityK * kMaxPanelCols,
                             rows * kMaxTileCols, rows, kMaxTileCols};
    int64_t total = 0;
    for (int64_t size : sizes) total += size;
    const size_t num_bytes = static_cast<size_t>(total) * sizeof(float);
    base_ = static_cast<float*>(::operator new(num_bytes, kAlignment, std::nothrow));
    if (base_ == nullptr) return;
    float* next = base_;
    float** parts[] = {&view_.a, &view_.panel, &view_.acc, &view_.sfa, &view_.sfb};
    for (size_t i = 0; i < std::size(parts); ++i) {
      *parts[i] = next;
      next += sizes[i];
    }
  }
  ~ScratchMemory() { ::operator delete(base_, kAlignment); }
  ScratchMemory(const ScratchMemory&) = delete;
  ScratchMemory& operator=(const ScratchMemory&) = delete;

  bool ok() const { return base_ != nullptr; }
  const CpuScratch& view() const { return view_; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  static constexpr int64_t kFloatsPerLine = 16;

  float* base_ = nullptr;
  CpuScratch view_;
};

constexpr ThreadWork kThreadWork = {.decode_rows = 8, .products_per_worker = 4'000'000};

Support supports(const Problem& problem, const DeviceInfo&) {
  if (problem.device_type != DeviceType::kCpu) return refuse("it takes host pointers only");
  return {};
}

Plan plan(const Problem& problem, const DeviceInfo& device) {
  Plan plan;
  plan.config_idx = isa_index(device.instruction_set);
  plan.config_name = available_isas()[static_cast<size_t>(plan.config_idx)]->config_name;
  plan.num_workers =
      worthwhile_workers(problem, problem.cum_m, min_of(problem.batch_size, problem.cum_m),
                         device.num_processors, kThreadWork);
  return plan;
}

Status launch(const Problem& problem, const DeviceInfo&, const Plan& plan, const LaunchContext&) {
  const CpuIsa& isa = *available_isas()[static_cast<size_t>(plan.config_idx)];
  const WorkSummary work = summarize_work(problem);
  if (work.num_rows == 0) return kSuccess;
  const int32_t num_workers =
      worthwhile_workers(problem, work.num_rows, work.num_groups, plan.num_workers, kThreadWork);
  const TileShape shape = choose_tile_shape(problem, work, num_workers);

  const auto compute_tile = [&](const WorkTile& tile, const CpuScratch& scratch) noexcept {
    isa.compute_tile(problem, tile, scratch);
  };
  if (!compute_tiles<ScratchMemory>(problem, shape, num_workers, compute_tile)) {
    return fail(GGFP8_ERROR_OUT_OF_HOST_MEMORY, "cpu backend: no memory for its scratch tiles");
  }
  return kSuccess;
}

}  // namespace

extern const Backend kCpuBackend = {"cpu", supports, plan, launch};

}  // namespace ggfp8
