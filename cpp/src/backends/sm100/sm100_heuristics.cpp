#include "backends/sm100/sm100_heuristics.h"

#include "backends/sm100/sm100_config.h"
#include "core/math.h"
#include "core/tensor_map_limits.h"

namespace ggfp8::sm100 {
namespace {

bool is_known_capability(const DeviceInfo& device) {
  return device.compute_major == 10 || device.compute_capability() == 110;
}

// Places arrays one after the other, or counts their bytes if the workspace is null.
class Carver {
 public:
  explicit Carver(void* workspace) : base_(static_cast<char*>(workspace)) {}

  template <class Entry>
  void place(int64_t count, Entry** array) {
    *array = base_ == nullptr ? nullptr : reinterpret_cast<Entry*>(base_ + bytes_);
    bytes_ += round_up<size_t>(static_cast<size_t>(count) * sizeof(Entry), 128);
  }

  size_t bytes() const { return bytes_; }

 private:
  char* base_;
  size_t bytes_ = 0;
};

}  // namespace

// No refusal depends on the number of rows or groups, so a row's result does not depend on them.
Support supports(const Problem& problem, const DeviceInfo& device) {
  if (problem.device_type != DeviceType::kCuda) return refuse("needs arrays on a CUDA device");
  if (!is_known_capability(device)) {
    return refuse("needs compute capability 10.x or 11.0, the device has %jd.%jd",
                  device.compute_major, device.compute_minor);
  }
  if (device.max_smem_bytes_per_cta < kSmemBytes) {
    return refuse("needs %jd bytes of shared memory per CTA, the device has %jd", kSmemBytes,
                  device.max_smem_bytes_per_cta);
  }
  if (device.num_processors < problem.mma_sm) {
    return refuse("needs %jd SMs for mma_sm %jd, the device has %jd", problem.mma_sm,
                  problem.mma_sm, device.num_processors);
  }
  if (problem.granularity_n != 128 || problem.granularity_k != 128) {
    return refuse(
        "needs scale_granularity_mnk (1, 128, 128) or (128, 128, 128), got (%jd, %jd, %jd)",
        problem.granularity_m, problem.granularity_n, problem.granularity_k);
  }
  if (problem.out_dtype == Dtype::kFloat32) {
    return refuse("needs out_dtype bfloat16 or float16, got float32");
  }
  if (problem.k == 0) return refuse("needs k of at least 16, got 0");
  if (!is_aligned(problem.a.data, 16)) return refuse("needs a at a multiple of 16 bytes");
  if (!is_aligned(problem.b.data, 16)) return refuse("needs b at a multiple of 16 bytes");
  if (!is_aligned(problem.out.data, 16)) return refuse("needs out at a multiple of 16 bytes");
  const int64_t out_stride_bytes = problem.out.row_stride * size_of(problem.out_dtype);
  if (out_stride_bytes % 16 != 0) {
    return refuse("needs rows of out a multiple of 16 bytes apart, got %jd", out_stride_bytes);
  }
  const int64_t slab_stride_bytes = problem.out.group_stride * size_of(problem.out_dtype);
  if (slab_stride_bytes % 16 != 0) {
    return refuse("needs slabs of out a multiple of 16 bytes apart, got %jd", slab_stride_bytes);
  }
  if (problem.a.row_stride >= kTensorMapStrideEnd || problem.b.row_stride >= kTensorMapStrideEnd ||
      out_stride_bytes >= kTensorMapStrideEnd) {
    return refuse("needs rows of a, b and out less than 2^40 bytes apart");
  }
  return {};
}

Plan plan(const Problem& problem, const DeviceInfo& device) {
  Plan plan;
  plan.config_idx = find_config(problem.mma_sm, problem.granularity_m, problem.out_dtype);
  plan.config_name = config_of(plan.config_idx).name;
  // Every SM holds one CTA; those of a cluster come together.
  plan.num_workers = device.num_processors / problem.mma_sm * problem.mma_sm;
  plan.workspace_bytes =
      lay_out_tables(problem.batch_size, nullptr).bytes + tensor_map_bytes(device.num_processors);
  return plan;
}

TableLayout lay_out_tables(int64_t batch_size, void* workspace) {
  Carver carver(workspace);
  TableLayout layout;
  GroupTables& tables = layout.tables;
  carver.place(batch_size, &tables.shapes);
  carver.place(batch_size, &tables.a);
  carver.place(batch_size, &tables.b);
  carver.place(batch_size, &tables.sfa);
  carver.place(batch_size, &tables.sfb);
  carver.place(batch_size, &tables.out);
  carver.place(batch_size, &tables.a_row_strides);
  carver.place(batch_size, &tables.b_row_strides);
  carver.place(batch_size, &tables.out_row_strides);
  carver.place(batch_size, &tables.sfa_layouts);
  carver.place(batch_size, &tables.sfb_layouts);
  layout.bytes = carver.bytes();
  return layout;
}

TableParams make_table_params(const Problem& problem, void* workspace) {
  TableParams params = {};
  params.schedule = make_group_schedule(problem, kTileM, kNumTableThreads);
  params.tables = lay_out_tables(problem.batch_size, workspace).tables;
  params.a = problem.a.data;
  params.b = problem.b.data;
  params.sfa = problem.sfa.data;
  params.sfb = problem.sfb.data;
  params.out = static_cast<uint8_t*>(problem.out.data);
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
  params.n = static_cast<int32_t>(problem.n);
  params.k = static_cast<int32_t>(problem.k);
  params.num_n_blocks = static_cast<int32_t>(problem.num_n_blocks);
  params.num_k_blocks = static_cast<int32_t>(problem.num_k_blocks);
  params.granularity_m = problem.granularity_m;
  params.out_element_bytes = static_cast<int32_t>(size_of(problem.out_dtype));
  return params;
}

}  // namespace ggfp8::sm100
