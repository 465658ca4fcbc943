// The table kernel of sm100 on any GPU since compute capability 9.0: its tables against a host
// model, for well-formed and malformed m_indptr, launched as the backend launches it, also from a
// captured graph. Also a launch of clusters through the same function.
#include <climits>
#include <cstring>
#include <random>

#include "../cpp/check.h"
#include "backends/sm100/sm100_group_tables.h"
#include "backends/sm100/sm100_heuristics.h"
#include "cuda/kernel_launch.h"
#include "gpu.h"

namespace {

using ggfp8::KernelLaunch;
using ggfp8::KernelState;
using ggfp8::Problem;
using ggfp8::sm100::GroupTables;
using ggfp8::sm100::ScaleLayout;

constexpr size_t kGuardBytes = 256;

Problem random_problem(std::mt19937& random, int64_t batch_size, int64_t cum_m) {
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  Problem problem;
  problem.batch_size = batch_size;
  problem.cum_m = cum_m;
  problem.n = 8 * pick(1, 1000), problem.k = 16 * pick(1, 1000);
  problem.granularity_m = pick(0, 1) ? 1 : 128;
  problem.out_dtype = pick(0, 1) ? ggfp8::Dtype::kBFloat16 : ggfp8::Dtype::kFloat32;
  problem.num_n_blocks = (problem.n + 127) / 128;
  problem.num_k_blocks = (problem.k + 127) / 128;
  // The kernel computes addresses and reads none of these arrays.
  problem.a = reinterpret_cast<void*>(pick(1, 1 << 20) << 20);
  problem.b = reinterpret_cast<void*>(pick(1, 1 << 20) << 20);
  problem.out = reinterpret_cast<void*>(pick(1, 1 << 20) << 20);
  problem.a_scale = reinterpret_cast<float*>(pick(1, 1 << 20) << 20);
  problem.b_scale = reinterpret_cast<float*>(pick(1, 1 << 20) << 20);
  problem.a_row_stride = problem.k + 16 * pick(0, 3);
  problem.b_row_stride = problem.k + 16 * pick(0, 3);
  problem.b_group_stride = problem.n * problem.b_row_stride + 16 * pick(0, 3);
  problem.out_row_stride = problem.n + 8 * pick(0, 3);
  problem.a_scale_m_stride = pick(1, 5), problem.a_scale_k_stride = pick(1, int64_t{1} << 33);
  problem.b_scale_n_stride = pick(1, 5), problem.b_scale_k_stride = pick(1, 1000);
  problem.b_scale_group_stride = pick(1, int64_t{1} << 33);
  return problem;
}

// Bounds in order, many groups empty; for granularity 128 they are multiples of it where asked.
std::vector<int32_t> well_formed(std::mt19937& random, const Problem& problem) {
  std::uniform_int_distribution<int64_t> row(0, problem.cum_m);
  std::vector<int32_t> bounds(static_cast<size_t>(problem.batch_size) + 1);
  for (auto& bound : bounds) {
    bound = static_cast<int32_t>(row(random) / problem.granularity_m * problem.granularity_m);
  }
  std::sort(bounds.begin(), bounds.end());
  return bounds;
}

std::vector<int32_t> malformed(std::mt19937& random, const Problem& problem, int kind) {
  std::vector<int32_t> bounds = well_formed(random, problem);
  std::uniform_int_distribution<int32_t> word(INT_MIN, INT_MAX);
  for (size_t i = 0; i < bounds.size(); ++i) {
    switch (kind) {
      case 0: bounds[i] = word(random); break;
      case 1: bounds[i] = -bounds[i] - 1; break;
      case 2: bounds[i] = i % 2 == 0 ? INT_MAX : INT_MIN; break;
      case 3: bounds[i] = word(random) % 4 == 0 ? word(random) : bounds[i]; break;
      default: break;
    }
  }
  if (kind == 4) std::reverse(bounds.begin(), bounds.end());
  return bounds;
}

template <class Entry>
Entry entry_of(const std::vector<char>& workspace, const Entry* array, size_t idx) {
  Entry entry;
  std::memcpy(&entry, workspace.data() + reinterpret_cast<uintptr_t>(array + idx), sizeof entry);
  return entry;
}

// Compares tables, copied to the host, with the model; `offsets` are the tables' places in them.
void check_tables(const Problem& p, const std::vector<int32_t>& m_indptr,
                  const std::vector<char>& workspace, const GroupTables& offsets) {
  const auto at = [&](const auto* array, size_t idx) { return entry_of(workspace, array, idx); };
  const auto groups = gpu::groups_of(m_indptr, p.cum_m);
  const auto address = [](const void* base, int64_t bytes) {
    return reinterpret_cast<uintptr_t>(base) + static_cast<uintptr_t>(bytes);
  };
  const auto equal = [&](const auto* pointer, uintptr_t wanted) {
    return reinterpret_cast<uintptr_t>(pointer) == wanted;
  };
  const ScaleLayout sfb_layout = {static_cast<int32_t>(p.num_n_blocks),
                                  static_cast<int32_t>(p.num_k_blocks),
                                  1,
                                  0,
                                  p.b_scale_n_stride,
                                  p.b_scale_k_stride};
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto [begin, end] = groups[g];
    const auto group = static_cast<int64_t>(g);
    const int64_t rows = end - begin;
    const auto shape = at(offsets.shapes, g);
    bool ok = shape.m == rows && shape.n == p.n && shape.k == p.k;
    ok &= equal(at(offsets.a, g), address(p.a, begin * p.a_row_stride));
    ok &= equal(at(offsets.b, g), address(p.b, group * p.b_group_stride));
    ok &= equal(at(offsets.out, g),
                address(p.out, begin * p.out_row_stride * ggfp8::size_of(p.out_dtype)));
    ok &= equal(at(offsets.sfa, g),
                address(p.a_scale, begin / p.granularity_m * p.a_scale_m_stride * 4));
    ok &= equal(at(offsets.sfb, g), address(p.b_scale, group * p.b_scale_group_stride * 4));
    ok &= at(offsets.a_row_strides, g) == p.a_row_stride;
    ok &= at(offsets.b_row_strides, g) == p.b_row_stride;
    ok &= at(offsets.out_row_strides, g) == p.out_row_stride;
    const ScaleLayout sfa_layout = {
        static_cast<int32_t>((rows + p.granularity_m - 1) / p.granularity_m),
        static_cast<int32_t>(p.num_k_blocks),
        1,
        0,
        p.a_scale_m_stride,
        p.a_scale_k_stride};
    ok &= at(offsets.sfa_layouts, g) == sfa_layout && at(offsets.sfb_layouts, g) == sfb_layout;
    if (!CHECK(ok)) std::fprintf(stderr, "  group %zu of %zu\n", g, groups.size());
  }
}

KernelState table_state;

void enqueue(const Problem& problem, void* workspace, cudaStream_t stream) {
  const auto params = ggfp8::sm100::make_table_params(problem, workspace);
  KernelLaunch launch;
  launch.kernel = ggfp8::sm100::table_kernel_address();
  launch.threads_per_cta = ggfp8::sm100::kNumTableThreads;
  CHECK_EQ(ggfp8::launch_kernel(launch, &table_state, &params, stream), 0);
}

// Tables as the kernel left them, followed by guard bytes that must be as they were.
class Workspace {
 public:
  explicit Workspace(int64_t batch_size)
      : bytes_(ggfp8::sm100::lay_out_tables(batch_size, nullptr).bytes),
        memory_(std::vector<char>(bytes_ + kGuardBytes, char{0x5A})) {}

  void* data() const { return memory_.data(); }

  void check(const Problem& problem, const std::vector<int32_t>& m_indptr) const {
    gpu::require(cudaDeviceSynchronize(), "table kernel");
    const std::vector<char> host = memory_.download();
    // A base of one table's alignment turns pointers into offsets from it.
    constexpr uintptr_t kBase = 128;
    std::vector<char> shifted(kBase);
    shifted.insert(shifted.end(), host.begin(), host.end());
    const auto layout =
        ggfp8::sm100::lay_out_tables(problem.batch_size, reinterpret_cast<void*>(kBase));
    check_tables(problem, m_indptr, shifted, layout.tables);
    CHECK(std::all_of(host.end() - kGuardBytes, host.end(), [](char c) { return c == 0x5A; }));
  }

 private:
  size_t bytes_;
  gpu::DeviceArray<char> memory_;
};

void check_case(Problem problem, const std::vector<int32_t>& m_indptr) {
  const gpu::DeviceArray<int32_t> device_m_indptr(m_indptr);
  const Workspace workspace(problem.batch_size);
  problem.m_indptr = device_m_indptr.data();
  enqueue(problem, workspace.data(), nullptr);
  workspace.check(problem, m_indptr);
}

void check_cases(std::mt19937& random) {
  for (const int64_t batch_size : {1, 2, 31, 32, 255, 256, 257, 511, 1000, 70000}) {
    for (const int64_t cum_m : {int64_t{1}, int64_t{129}, int64_t{100000}, int64_t{2147483520}}) {
      Problem problem = random_problem(random, batch_size, cum_m);
      check_case(problem, well_formed(random, problem));
      check_case(problem, std::vector<int32_t>(static_cast<size_t>(batch_size) + 1, 0));
      for (int kind = 0; kind < 5; ++kind) check_case(problem, malformed(random, problem, kind));
    }
  }
}

// A replay of a captured launch reads m_indptr anew.
void check_graph(std::mt19937& random) {
  Problem problem = random_problem(random, 300, 5000);
  std::vector<int32_t> m_indptr = well_formed(random, problem);
  gpu::DeviceArray<int32_t> device_m_indptr(m_indptr);
  problem.m_indptr = device_m_indptr.data();
  const Workspace workspace(problem.batch_size);
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t instance;
  gpu::require(cudaStreamCreate(&stream), "cudaStreamCreate");
  gpu::require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "begin capture");
  enqueue(problem, workspace.data(), stream);
  gpu::require(cudaStreamEndCapture(stream, &graph), "end capture");
  gpu::require(cudaGraphInstantiate(&instance, graph, 0), "cudaGraphInstantiate");
  for (int replay = 0; replay < 3; ++replay) {
    m_indptr = replay == 1 ? malformed(random, problem, 0) : well_formed(random, problem);
    device_m_indptr.upload(m_indptr);
    gpu::require(cudaGraphLaunch(instance, stream), "cudaGraphLaunch");
    workspace.check(problem, m_indptr);
  }
}

__global__ void report_cluster(int* const* ranks) {
  unsigned rank = 0, size = 0;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  (*ranks)[blockIdx.x] = static_cast<int>(10 * size + rank);
}

// CTAs 2i and 2i + 1 make a cluster of two, as the two-SM kernels expect.
void check_clusters() {
  for (const unsigned ctas_per_cluster : {1u, 2u}) {
    const gpu::DeviceArray<int> ranks(std::vector<int>(8, -1));
    const gpu::DeviceArray<int*> place(std::vector<int*>{ranks.data()});
    int* const* const argument = place.data();
    KernelState state;
    KernelLaunch launch;
    launch.kernel = reinterpret_cast<const void*>(&report_cluster);
    launch.num_ctas = 8;
    launch.ctas_per_cluster = ctas_per_cluster;
    CHECK_EQ(ggfp8::launch_kernel(launch, &state, &argument, nullptr), 0);
    const std::vector<int> found = ranks.download();
    for (unsigned i = 0; i < 8; ++i) {
      CHECK_EQ(found[i], static_cast<int>(10 * ctas_per_cluster + i % ctas_per_cluster));
    }
  }
}

}  // namespace

int main() {
  gpu::skip_without_device();
  std::mt19937 random(4);
  check_cases(random);
  check_graph(random);
  check_clusters();
  return check::report();
}
