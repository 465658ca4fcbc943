// The table kernel of sm100 on any GPU since compute capability 9.0: its tables against a host
// model, for well-formed and malformed groups of every layout, launched as the backend launches it,
// also from a captured graph. Also a launch of clusters through the same function.
#include <algorithm>
#include <climits>
#include <cstring>
#include <random>

#include "../cpp/check.h"
#include "../cpp/sm100_table_model.h"
#include "backends/sm100/sm100_group_tables.h"
#include "backends/sm100/sm100_heuristics.h"
#include "cuda/kernel_launch.h"
#include "gpu.h"

namespace {

using ggfp8::GroupKind;
using ggfp8::KernelLaunch;
using ggfp8::KernelState;
using ggfp8::Problem;
using ggfp8::sm100::GroupTables;
using group_model::Groups;

constexpr size_t kGuardBytes = 256;

template <class Entry>
Entry entry_of(const std::vector<char>& workspace, const Entry* array, size_t idx) {
  Entry entry;
  std::memcpy(&entry, workspace.data() + reinterpret_cast<uintptr_t>(array + idx), sizeof entry);
  return entry;
}

// Compares tables, copied to the host, with the model; `offsets` are the tables' places in them.
void check_tables(const Problem& problem, const Groups& groups, const std::vector<char>& workspace,
                  const GroupTables& offsets) {
  const auto rows = group_model::rows_of(groups);
  for (size_t g = 0; g < rows.size(); ++g) {
    const auto at = [&](const auto* array) { return entry_of(workspace, array, g); };
    if (!CHECK(sm100_table_model::entries_are_right(problem, static_cast<int64_t>(g), rows[g],
                                                    offsets, at))) {
      std::fprintf(stderr, "  group %zu of %zu\n", g, rows.size());
      return group_model::print(groups);
    }
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

  void check(const Problem& problem, const Groups& groups) const {
    gpu::require(cudaDeviceSynchronize(), "table kernel");
    const std::vector<char> host = memory_.download();
    // A base of one table's alignment turns pointers into offsets from it.
    constexpr uintptr_t kBase = 128;
    std::vector<char> shifted(kBase);
    shifted.insert(shifted.end(), host.begin(), host.end());
    const auto layout =
        ggfp8::sm100::lay_out_tables(problem.batch_size, reinterpret_cast<void*>(kBase));
    check_tables(problem, groups, shifted, layout.tables);
    CHECK(std::all_of(host.end() - kGuardBytes, host.end(), [](char c) { return c == 0x5A; }));
  }

 private:
  size_t bytes_;
  gpu::DeviceArray<char> memory_;
};

std::vector<char> bytes_of(const Groups& groups) {
  const auto* begin = static_cast<const char*>(groups.data());
  return {begin, begin + groups.wide.size() * (groups.is_int64 ? 8 : 4)};
}

void check_case(std::mt19937_64& random, const Groups& groups, int32_t granularity_m) {
  Problem problem = sm100_table_model::random_problem(random, groups, granularity_m);
  const gpu::DeviceArray<char> device_groups(bytes_of(groups));
  const Workspace workspace(problem.batch_size);
  problem.groups = device_groups.data();
  enqueue(problem, workspace.data(), nullptr);
  workspace.check(problem, groups);
}

void check_cases(std::mt19937_64& random) {
  for (const int64_t num_groups : {1, 2, 31, 32, 255, 256, 257, 511, 1000, 70000}) {
    for (const int64_t num_rows :
         {int64_t{1}, int64_t{129}, int64_t{100000}, int64_t{2147483520}}) {
      for (const GroupKind kind : group_model::kKinds) {
        for (int i = 0; i < 8; ++i) {
          const int32_t unit = i % 2 == 0 ? 1 : 128;
          check_case(random, group_model::random_groups(random, kind, num_groups, num_rows, unit),
                     unit);
        }
        const auto size = static_cast<size_t>(ggfp8::num_group_values(kind, num_groups));
        for (const int64_t value : {int64_t{0}, int64_t{INT64_MAX}, int64_t{INT64_MIN}}) {
          check_case(random, {kind, num_rows, 1, true, std::vector<int64_t>(size, value)}, 1);
        }
      }
    }
  }
}

// A replay of a captured launch reads the group array anew.
void check_graph(std::mt19937_64& random, GroupKind kind) {
  const auto int32_groups = [&] {
    Groups groups = group_model::random_groups(random, kind, 300, 5000);
    return Groups(kind, groups.num_rows, 1, false, groups.wide);
  };
  Groups groups = int32_groups();
  Problem problem = sm100_table_model::random_problem(random, groups, 1);
  gpu::DeviceArray<char> device_groups(bytes_of(groups));
  problem.groups = device_groups.data();
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
    const Groups fresh = int32_groups();
    device_groups.upload(bytes_of(fresh));
    gpu::require(cudaGraphLaunch(instance, stream), "cudaGraphLaunch");
    workspace.check(problem, fresh);
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
  std::mt19937_64 random(4);
  check_cases(random);
  for (const GroupKind kind : group_model::kKinds) check_graph(random, kind);
  check_clusters();
  return check::report();
}
