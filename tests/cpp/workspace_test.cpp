// The workspace of a call, by a backend that needs some: too little of it is refused before
// anything is launched, and a launch gets what the caller gave. This program has a registry of its
// own: no backend of the CPU needs a workspace.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "ones_call.h"
#include "select/registry.h"
#include "tensor_call.h"

namespace {

constexpr size_t kNeeded = 300;

int num_launches = 0;
ggfp8::LaunchContext launched;

constexpr ggfp8::Backend kGreedy = {
    "greedy", [](const ggfp8::Problem&, const ggfp8::DeviceInfo&) { return ggfp8::Support{}; },
    [](const ggfp8::Problem&, const ggfp8::DeviceInfo&) {
      ggfp8::Plan plan;
      plan.workspace_bytes = kNeeded;
      return plan;
    },
    [](const ggfp8::Problem&, const ggfp8::DeviceInfo&, const ggfp8::Plan&,
       const ggfp8::LaunchContext& context) {
      ++num_launches;
      launched = context;
      return ggfp8::kSuccess;
    }};
constexpr std::array kBackends = {&kGreedy};

}  // namespace

namespace ggfp8 {
std::span<const Backend* const> registered_backends() noexcept {
  return kBackends;
}
}  // namespace ggfp8

namespace {

struct alignas(GGFP8_WORKSPACE_ALIGNMENT) Workspace {
  char bytes[kNeeded + 1];
};

void check_pointers() {
  OnesCall call(3, 8, 32);
  size_t bytes = 0;
  CHECK_EQ(ggfp8_group_gemm_workspace_size(&call.args, &bytes), GGFP8_SUCCESS);
  CHECK_EQ(bytes, kNeeded);
  Workspace workspace;
  const auto run = [&](void* memory, size_t size) {
    return ggfp8_group_gemm_nt_groupwise(&call.args, memory, size, nullptr);
  };
  CHECK_EQ(run(nullptr, 0), GGFP8_ERROR_INVALID_WORKSPACE);
  CHECK_EQ(run(nullptr, kNeeded), GGFP8_ERROR_INVALID_WORKSPACE);
  CHECK_EQ(run(&workspace, kNeeded - 1), GGFP8_ERROR_INVALID_WORKSPACE);
  CHECK_EQ(run(workspace.bytes + 1, kNeeded), GGFP8_ERROR_INVALID_WORKSPACE);
  CHECK_EQ(num_launches, 0);
  CHECK_EQ(run(&workspace, kNeeded), GGFP8_SUCCESS);
  CHECK_EQ(num_launches, 1);
  CHECK_EQ(launched.workspace, static_cast<void*>(&workspace));
  CHECK_EQ(launched.workspace_bytes, kNeeded);
  call.args.cum_m = 0;  // nothing to compute: no workspace is needed
  CHECK_EQ(run(nullptr, 0), GGFP8_SUCCESS);
  CHECK_EQ(num_launches, 1);
}

void check_arrays() {
  num_launches = 0;
  TestCall call;
  CHECK_EQ(call.run(), GGFP8_ERROR_INVALID_WORKSPACE);
  call.workspace.set_shape({static_cast<int64_t>(kNeeded) - 1});
  CHECK_EQ(call.run(true), GGFP8_ERROR_INVALID_WORKSPACE);
  CHECK_EQ(num_launches, 0);
  call.workspace.set_shape({static_cast<int64_t>(kNeeded) + GGFP8_WORKSPACE_ALIGNMENT});
  CHECK_EQ(call.run(true), GGFP8_SUCCESS);  // the array begins anywhere
  CHECK_EQ(num_launches, 1);
  CHECK_EQ(reinterpret_cast<uintptr_t>(launched.workspace) % GGFP8_WORKSPACE_ALIGNMENT, 0u);
  CHECK(launched.workspace_bytes >= kNeeded);
}

}  // namespace

int main() {
  check_pointers();
  check_arrays();
  return check::report();
}
