// Exact-integer problems through the table kernel of sm100 and CUTLASS's SM90 grouped collective
// on a Hopper GPU: the pointers, strides and scale layouts that the Blackwell kernels would read,
// end to end. Also the params of the Blackwell kernels as the driver encodes them.
//
// NaN fills what no group may read (rows between groups, scales after the last block), and rows
// that no group covers must keep their bits.
#include <cstring>
#include <limits>
#include <random>

#include "../cpp/check.h"
#include "../cpp/group_model.h"
#include "backends/sm100/sm100_gemm.h"
#include "backends/sm100/sm100_gemm_types.cuh"
#include "backends/sm100/sm100_group_tables.h"
#include "backends/sm100/sm100_heuristics.h"
#include "backends/sm100/sm100_tensor_map.h"
#include "cuda/kernel_launch.h"
#include "gpu.h"
#include "sm90_collective.cuh"

namespace {

using ggfp8::KernelLaunch;
using ggfp8::KernelState;
using ggfp8::Problem;
using group_model::Groups;
using sm90_collective::Out;

constexpr uint16_t kUntouched = 0xABCD;

struct Settings {
  int64_t n, k;
  Groups groups;
  int32_t granularity_m;
  bool k_major;
  int64_t padding;  // of the scales' outer stride, in elements
};

// A problem in host memory; values are small integers and scales powers of two, so that every sum
// is exact in float32.
template <class A, class B>
struct HostProblem {
  std::vector<A> a;
  std::vector<B> b;
  std::vector<float> sfa, sfb;
  Problem problem;

  HostProblem(const Settings& s, std::mt19937& random) {
    set_sizes(s);
    allocate(s);
    fill(s, random);
  }

  // Strides leave gaps between rows, groups and slabs.
  void set_sizes(const Settings& s) {
    const int64_t batch_size = s.groups.num_groups();
    const int64_t num_rows = s.groups.num_rows;
    const int64_t m_blocks = (num_rows + s.granularity_m - 1) / s.granularity_m;
    const bool has_slabs = s.groups.kind == ggfp8::GroupKind::kMasked;
    const int64_t num_slabs = has_slabs ? batch_size : 1;
    Problem& p = problem;
    p.cum_m = num_rows * num_slabs, p.n = s.n, p.k = s.k, p.batch_size = batch_size;
    p.group_kind = s.groups.kind, p.groups_are_int64 = s.groups.is_int64;
    p.group_alignment = s.groups.alignment;
    p.granularity_m = s.granularity_m;
    p.num_m_blocks = m_blocks, p.num_n_blocks = (s.n + 127) / 128,
    p.num_k_blocks = (s.k + 127) / 128;
    p.a.row_stride = s.k + 32, p.b.row_stride = s.k + 16;
    p.b.group_stride = s.n * p.b.row_stride + 48, p.out.row_stride = s.n + 8;
    p.sfa.mn_stride = s.k_major ? p.num_k_blocks + s.padding : 1;
    p.sfa.k_stride = s.k_major ? 1 : m_blocks + s.padding;
    p.sfb.mn_stride = s.k_major ? p.num_k_blocks + s.padding : 1;
    p.sfb.k_stride = s.k_major ? 1 : p.num_n_blocks + s.padding;
    p.sfb.group_stride =
        std::max(p.num_n_blocks * p.sfb.mn_stride, p.num_k_blocks * p.sfb.k_stride) + 3;
    if (has_slabs) {
      p.a.group_stride = num_rows * p.a.row_stride + 16;
      p.out.group_stride = num_rows * p.out.row_stride + 24;
      p.sfa.group_stride = sfa_slab_size() + 5;
    }
  }

  int64_t sfa_slab_size() const {
    return std::max(problem.num_m_blocks * problem.sfa.mn_stride,
                    problem.num_k_blocks * problem.sfa.k_stride);
  }

  // Fills the arrays with NaN, which gaps keep.
  void allocate(const Settings& s) {
    constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
    const Problem& p = problem;
    const int64_t num_before_last = p.num_slabs() - 1;  // slabs
    a.assign(static_cast<size_t>(num_before_last * p.a.group_stride +
                                 s.groups.num_rows * p.a.row_stride),
             A(kNaN));
    b.assign(static_cast<size_t>(p.batch_size * p.b.group_stride), B(kNaN));
    sfa.assign(static_cast<size_t>(num_before_last * p.sfa.group_stride + sfa_slab_size()), kNaN);
    sfb.assign(static_cast<size_t>(p.batch_size * p.sfb.group_stride), kNaN);
  }

  void fill(const Settings& s, std::mt19937& random) {
    const auto value = [&] { return static_cast<float>(static_cast<int>(random() % 5) - 2); };
    const auto scale = [&] { return std::ldexp(1.0f, static_cast<int>(random() % 5) - 2); };
    const Problem& p = problem;
    const auto rows = group_model::rows_of(s.groups);
    for (size_t g = 0; g < rows.size(); ++g) {
      for (int64_t r = rows[g].begin; r < rows[g].end; ++r) {
        for (int64_t i = 0; i < s.k; ++i) a[a_idx(static_cast<int64_t>(g), r, i)] = A(value());
      }
    }
    for (int64_t slab = 0; slab < p.num_slabs(); ++slab) {
      for (int64_t m = 0; m < p.num_m_blocks; ++m) {
        for (int64_t k = 0; k < p.num_k_blocks; ++k) sfa[sfa_idx(slab, m, k)] = scale();
      }
    }
    for (int64_t g = 0; g < p.batch_size; ++g) {
      for (int64_t j = 0; j < s.n; ++j) {
        for (int64_t i = 0; i < s.k; ++i) b[b_idx(g, j, i)] = B(value());
      }
      for (int64_t n = 0; n < p.num_n_blocks; ++n) {
        for (int64_t k = 0; k < p.num_k_blocks; ++k) sfb[sfb_idx(g, n, k)] = scale();
      }
    }
  }

  size_t a_idx(int64_t g, int64_t r, int64_t i) const {
    return static_cast<size_t>(g * problem.a.group_stride + r * problem.a.row_stride + i);
  }
  size_t out_idx(int64_t g, int64_t r, int64_t j) const {
    return static_cast<size_t>(g * problem.out.group_stride + r * problem.out.row_stride + j);
  }
  size_t sfa_idx(int64_t g, int64_t m, int64_t k) const {
    return static_cast<size_t>(g * problem.sfa.group_stride + m * problem.sfa.mn_stride +
                               k * problem.sfa.k_stride);
  }
  size_t sfb_idx(int64_t g, int64_t n, int64_t k) const {
    return static_cast<size_t>(g * problem.sfb.group_stride + n * problem.sfb.mn_stride +
                               k * problem.sfb.k_stride);
  }
  size_t b_idx(int64_t g, int64_t j, int64_t i) const {
    return static_cast<size_t>(g * problem.b.group_stride + j * problem.b.row_stride + i);
  }

  float element(int64_t g, int64_t begin, int64_t r, int64_t j) const {
    // Counts blocks from the group's first row, as the tables do for a bound inside a scale block.
    const int64_t first_block = begin / problem.granularity_m;
    double sum = 0;
    for (int64_t i = 0; i < problem.k; ++i) {
      const double x = static_cast<float>(a[a_idx(g, r, i)]);
      const double y = static_cast<float>(b[b_idx(g, j, i)]);
      sum += x * y * sfa[sfa_idx(g, first_block + (r - begin) / problem.granularity_m, i / 128)] *
             sfb[sfb_idx(g, j / 128, i / 128)];
    }
    return static_cast<float>(sum);
  }
};

int num_sms() {
  int count = 0;
  gpu::require(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, 0), "SM count");
  return count;
}

// Exceeds what the kernel for Hopper asks for after the tables.
constexpr size_t kCollectiveWorkspaceBytes = size_t{1} << 20;

template <class Config>
typename sm90_collective::Kernel<Config>::Params collective_params(
    const ggfp8::sm100::GroupTables& tables, int64_t batch_size, void* workspace) {
  using Kernel = sm90_collective::Kernel<Config>;
  using Mainloop = typename Config::Collective;
  using Stride = cute::Stride<int64_t, cute::_1, cute::_0>;
  typename Kernel::Arguments arguments;
  arguments.mode = cutlass::gemm::GemmUniversalMode::kGrouped;
  arguments.problem_shape = {
      static_cast<int32_t>(batch_size),
      reinterpret_cast<sm90_collective::ProblemShape::UnderlyingProblemShape*>(tables.shapes),
      nullptr};
  auto& mainloop = arguments.mainloop;
  mainloop.ptr_A = reinterpret_cast<typename Mainloop::ElementA const**>(tables.a);
  mainloop.dA = reinterpret_cast<Stride*>(tables.a_row_strides);
  mainloop.ptr_B = reinterpret_cast<typename Mainloop::ElementB const**>(tables.b);
  mainloop.dB = reinterpret_cast<Stride*>(tables.b_row_strides);
  mainloop.ptr_SFA = tables.sfa;
  mainloop.layout_SFA = reinterpret_cast<typename Config::SfaLayout*>(tables.sfa_layouts);
  mainloop.ptr_SFB = tables.sfb;
  mainloop.layout_SFB = reinterpret_cast<typename Config::SfbLayout*>(tables.sfb_layouts);
  arguments.epilogue.thread.alpha = 1.0f;
  arguments.epilogue.thread.beta = 0.0f;
  arguments.epilogue.ptr_D = reinterpret_cast<Out**>(tables.out);
  arguments.epilogue.dD = reinterpret_cast<Stride*>(tables.out_row_strides);
  arguments.hw_info.device_id = 0;
  arguments.hw_info.sm_count = num_sms();
  CHECK(Kernel::can_implement(arguments));
  CHECK(Kernel::get_workspace_size(arguments) <= kCollectiveWorkspaceBytes);
  return Kernel::to_underlying_arguments(arguments, workspace);
}

template <class Config>
void enqueue_collective(const typename sm90_collective::Kernel<Config>::Params& params) {
  using Kernel = sm90_collective::Kernel<Config>;
  static KernelState state;
  KernelLaunch launch;
  launch.kernel = reinterpret_cast<const void*>(&sm90_collective::run_kernel<Config>);
  launch.num_ctas = static_cast<unsigned>(num_sms());
  launch.threads_per_cta = Kernel::MaxThreadsPerBlock;
  launch.smem_bytes = Kernel::SharedStorageSize;
  CHECK_EQ(ggfp8::launch_kernel(launch, &state, &params, nullptr), 0);
}

void enqueue_tables(const Problem& problem, void* workspace) {
  static KernelState state;
  const auto params = ggfp8::sm100::make_table_params(problem, workspace);
  KernelLaunch launch;
  launch.kernel = ggfp8::sm100::table_kernel_address();
  launch.threads_per_cta = ggfp8::sm100::kNumTableThreads;
  CHECK_EQ(ggfp8::launch_kernel(launch, &state, &params, nullptr), 0);
}

template <class Host>
void check_out(const Settings& s, const Host& host, const std::vector<uint16_t>& out) {
  std::vector<uint16_t> wanted(out.size(), kUntouched);
  const auto groups = group_model::rows_of(s.groups);
  for (int64_t g = 0; g < s.groups.num_groups(); ++g) {
    const auto [begin, end] = groups[static_cast<size_t>(g)];
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t j = 0; j < s.n; ++j) {
        wanted[host.out_idx(g, r, j)] = Out(host.element(g, begin, r, j)).raw();
      }
    }
  }
  int64_t wrong = 0;
  for (size_t i = 0; i < out.size(); ++i) wrong += out[i] != wanted[i];
  if (!CHECK_EQ(wrong, 0)) std::fprintf(stderr, "  of %zu, %ld columns\n", out.size(), s.n);
}

template <class A, class B, class Config>
void check_case(const Settings& s, std::mt19937& random) {
  HostProblem<A, B> host(s, random);
  Problem& problem = host.problem;
  const gpu::DeviceArray<A> a(host.a);
  const gpu::DeviceArray<B> b(host.b);
  const gpu::DeviceArray<float> sfa(host.sfa), sfb(host.sfb);
  const gpu::DeviceArray<int64_t> wide(s.groups.wide);
  const gpu::DeviceArray<int32_t> narrow(s.groups.narrow);
  const int64_t out_size =
      problem.batch_size * problem.out.group_stride + s.groups.num_rows * problem.out.row_stride;
  const gpu::DeviceArray<uint16_t> out(
      std::vector<uint16_t>(static_cast<size_t>(out_size), kUntouched));
  problem.a.data = reinterpret_cast<const uint8_t*>(a.data());
  problem.b.data = reinterpret_cast<const uint8_t*>(b.data());
  problem.out.data = out.data();
  problem.sfa.data = sfa.data(), problem.sfb.data = sfb.data();
  if (s.groups.is_int64) {
    problem.groups = wide.data();
  } else {
    problem.groups = narrow.data();
  }

  const size_t table_bytes = ggfp8::sm100::lay_out_tables(problem.batch_size, nullptr).bytes;
  const gpu::DeviceArray<char> workspace(
      std::vector<char>(table_bytes + kCollectiveWorkspaceBytes, char{0x5A}));
  const auto layout = ggfp8::sm100::lay_out_tables(problem.batch_size, workspace.data());
  enqueue_tables(problem, workspace.data());
  enqueue_collective<Config>(collective_params<Config>(layout.tables, problem.batch_size,
                                                       workspace.data() + layout.bytes));
  gpu::require(cudaDeviceSynchronize(), "collective");
  check_out(s, host, out.download());
}

template <class A, class B>
void check_pair(std::mt19937& random) {
  using sm90_collective::DenseConfig;
  using sm90_collective::TableConfig;
  using enum ggfp8::GroupKind;
  const Groups ragged = {kIndptr, 310, 1, false, {3, 3, 4, 135, 135, 263, 300, 300}};
  const Groups hostile = {kIndptr, 310, 1, false, {-7, 40, 12, 1 << 30, -1, 77, 2147483647, 5}};
  const Groups ends = {kEnds, 310, 16, true, {3, 3, 135, 263, 300, 300}};
  const Groups counts = {kCounts, 310, 16, false, {3, 0, 130, 100, 1}};
  const Groups masked = {kMasked, 140, 1, true, {3, 0, 200, 128, 1}};
  for (const Groups& groups : {ragged, hostile}) {
    check_case<A, B, DenseConfig<A, B, 1>>({392, 336, groups, 1, true, 0}, random);
  }
  for (const Groups& groups : {ragged, hostile, ends, counts, masked}) {
    for (const bool k_major : {true, false}) {
      check_case<A, B, TableConfig<A, B, 1>>({392, 336, groups, 1, k_major, 5}, random);
    }
  }
  const Groups blocks = {kIndptr, 1100, 1, false, {0, 128, 128, 384, 512, 1024}};
  const Groups two = {kIndptr, 700, 1, false, {0, 1, 700}};
  for (const bool k_major : {true, false}) {
    check_case<A, B, TableConfig<A, B, 128>>({264, 272, blocks, 128, k_major, 2}, random);
    check_case<A, B, TableConfig<A, B, 128>>({264, 272, masked, 128, k_major, 2}, random);
    check_case<A, B, TableConfig<A, B, 1>>({8, 16, two, 1, k_major, 0}, random);
  }
}

// The params that the backend would give to the Blackwell kernels: made with exactly the workspace
// of the plan, not with less, and with the bit of small tensors clear in every tensor map.
template <int kConfigIdx>
void check_gemm_params() {
  using Params = typename ggfp8::sm100::GemmTypes<kConfigIdx>::Params;
  const ggfp8::sm100::Config config = ggfp8::sm100::config_of(kConfigIdx);
  alignas(ggfp8::sm100::kGemmParamsAlignment) char storage[ggfp8::sm100::kGemmParamsBytes];
  alignas(128) static char workspace[384 * 148];
  const auto tables = ggfp8::sm100::lay_out_tables(4, workspace).tables;
  ggfp8::sm100::GemmInput input = {tables,
                                   4,
                                   0,
                                   148,
                                   ggfp8::Dtype::kFloat8E5M2,
                                   ggfp8::Dtype::kFloat8E4M3,
                                   workspace,
                                   ggfp8::sm100::tensor_map_bytes(148)};
  CHECK(ggfp8::sm100::make_gemm_params(kConfigIdx, input, storage));
  const auto& params = *reinterpret_cast<const Params*>(storage);
  const auto check_map = [](const cute::TmaDescriptor* map) {
    uint64_t words[16];
    std::memcpy(words, map, sizeof words);
    CHECK_EQ(words[1] >> 21 & 1, 0u);
    CHECK(words[0] != 0 || words[1] != 0);
  };
  check_map(params.mainloop.tma_load_a.get_tma_descriptor());
  check_map(params.mainloop.tma_load_b.get_tma_descriptor());
  check_map(params.epilogue.tma_store_d.get_tma_descriptor());
  CHECK(params.mainloop.runtime_data_type_a == cute::UMMA::MXF8F6F4Format::E5M2);
  CHECK(params.mainloop.runtime_data_type_b == cute::UMMA::MXF8F6F4Format::E4M3);
  CHECK_EQ(params.hw_info.sm_count, 148);
  const auto kernel = ggfp8::sm100::gemm_kernel_of(kConfigIdx);
  CHECK(kernel.address != nullptr && kernel.smem_bytes <= ggfp8::sm100::kSmemBytes);
  std::printf("%s: %u threads, %zu bytes of shared memory, %zu bytes of params\n", config.name,
              kernel.num_threads, kernel.smem_bytes, sizeof(Params));
  input.workspace_bytes -= 1;
  CHECK(!ggfp8::sm100::make_gemm_params(kConfigIdx, input, storage));
}

template <size_t... kIdx>
void check_all_gemm_params(std::index_sequence<kIdx...>) {
  (check_gemm_params<static_cast<int>(kIdx)>(), ...);
}

}  // namespace

int main() {
  gpu::skip_without_device();
  check_all_gemm_params(std::make_index_sequence<ggfp8::sm100::kNumConfigs>());
  std::mt19937 random(90);
  check_pair<cutlass::float_e4m3_t, cutlass::float_e4m3_t>(random);
  check_pair<cutlass::float_e5m2_t, cutlass::float_e4m3_t>(random);
  return check::report();
}
