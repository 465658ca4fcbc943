// Every instruction-set path and thread count against the plain loops, bit for bit, over random
// problems; and the promises around a call: floating-point environment, refusals, plans.
#include <cfenv>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "backends/cpu/cpu_device.h"
#include "backends/cpu/cpu_gemm_reference.h"
#include "backends/cpu/cpu_isa.h"
#include "check.h"
#include "cpu_problem.h"
#include "select/backend.h"

namespace ggfp8 {
extern const Backend kCpuBackend;
}

namespace {

using cpu_problem::Case;
using ggfp8::CpuIsa;
using ggfp8::DeviceInfo;
using ggfp8::Plan;
using ggfp8::Problem;

using Bytes = std::vector<uint8_t>;

DeviceInfo device_of(const CpuIsa& isa, int32_t num_processors) {
  DeviceInfo device;
  device.instruction_set = isa.instruction_set;
  device.num_processors = num_processors;
  return device;
}

Bytes reference_output(const Case& test_case) {
  Bytes out;
  ggfp8::compute_reference(test_case.with_output(&out));
  return out;
}

Bytes backend_output(const Case& test_case, const CpuIsa& isa, int32_t num_processors) {
  Bytes out;
  const Problem problem = test_case.with_output(&out);
  const DeviceInfo device = device_of(isa, num_processors);
  const Plan plan = ggfp8::kCpuBackend.plan(problem, device);
  CHECK_EQ(ggfp8::kCpuBackend.launch(problem, device, plan, {}), ggfp8::kSuccess);
  return out;
}

void check_random_problems(uint32_t first_seed, uint32_t num_seeds, int64_t max_rows, int64_t max_n,
                           int64_t max_k) {
  for (uint32_t seed = first_seed; seed < first_seed + num_seeds; ++seed) {
    const Case test_case(seed, max_rows, max_n, max_k);
    const Bytes expected = reference_output(test_case);
    for (const CpuIsa* isa : ggfp8::available_isas()) {
      for (int32_t num_processors : {1, 2, 5}) {
        if (!CHECK(backend_output(test_case, *isa, num_processors) == expected)) {
          std::cerr << "  seed " << seed << ", " << isa->name << ", " << num_processors
                    << " processors\n";
        }
      }
    }
  }
}

// Flush-to-zero of the thread: FTZ and DAZ of x86-64, FZ of aarch64.
#if defined(__x86_64__)
constexpr uint64_t kFlushToZero = 0x8040;
uint64_t float_control() {
  return __builtin_ia32_stmxcsr();
}
void set_float_control(uint64_t value) {
  __builtin_ia32_ldmxcsr(static_cast<unsigned>(value));
}
#elif defined(__aarch64__)
constexpr uint64_t kFlushToZero = 1 << 24;
uint64_t float_control() {
  uint64_t value;
  asm volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
void set_float_control(uint64_t value) {
  asm volatile("msr fpcr, %0" ::"r"(value));
}
#else
constexpr uint64_t kFlushToZero = 0;
uint64_t float_control() {
  return 0;
}
void set_float_control(uint64_t) {}
#endif

// The caller's rounding mode, flags and flush-to-zero neither matter nor change.
void check_float_environment() {
  const Case test_case(4242, 200, 512, 512);
  const Bytes expected = reference_output(test_case);
  for (const CpuIsa* isa : ggfp8::available_isas()) {
    std::feclearexcept(FE_ALL_EXCEPT);
    std::fesetround(FE_UPWARD);
    std::feraiseexcept(FE_DIVBYZERO);
    const int flags = std::fetestexcept(FE_ALL_EXCEPT);
    set_float_control(float_control() | kFlushToZero);
    const Bytes out = backend_output(test_case, *isa, 4);
    CHECK_EQ(std::fegetround(), FE_UPWARD);
    CHECK_EQ(std::fetestexcept(FE_ALL_EXCEPT), flags);
    CHECK_EQ(float_control() & kFlushToZero, kFlushToZero);
    std::fesetenv(FE_DFL_ENV);
    CHECK(out == expected);
  }
}

void check_selection() {
  Problem problem = Case(1, 64, 64, 64).problem();
  DeviceInfo device;
  CHECK_EQ(ggfp8::query_cpu_device(&device), ggfp8::kSuccess);
  CHECK(device.num_processors >= 1);
  CHECK(ggfp8::kCpuBackend.supports(problem, device).ok);
  problem.device_type = ggfp8::DeviceType::kCuda;
  CHECK(!ggfp8::kCpuBackend.supports(problem, device).ok);

  problem.n = problem.k = problem.cum_m = 4096;
  for (const CpuIsa* isa : ggfp8::available_isas()) {
    const Plan plan = ggfp8::kCpuBackend.plan(problem, device_of(*isa, 7));
    CHECK_EQ(plan.num_workers, 7);
    CHECK_EQ(plan.workspace_bytes, size_t{0});
    CHECK(std::strcmp(plan.config_name, isa->config_name) == 0);
  }
}

}  // namespace

int main() {
  check_random_problems(0, 300, 40, 72, 300);       // all codes and layouts, small
  check_random_problems(1000, 20, 600, 700, 200);   // several tiles per group
  check_random_problems(2000, 10, 100, 400, 1500);  // enough work for threads
  check_float_environment();
  check_selection();
  return check::report();
}
