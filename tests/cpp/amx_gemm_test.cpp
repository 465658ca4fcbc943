// The amx backend against its published order of sums in plain loops, bit for bit. Its code runs
// with tile registers in software wherever there is AVX-512 VBMI, and with the processor's where
// there is AMX; there the model of TDPBF16PS is compared with the instruction, too.
#include <cfenv>
#include <cstring>
#include <random>
#include <vector>

#include "amx_model.h"
#include "amx_soft_registers.h"
#include "amx_soft_tile.h"
#include "backends/amx/amx_registers.h"
#include "backends/amx/amx_scratch.h"
#include "check.h"
#include "cpu_problem.h"
#include "host/amx_permission.h"
#include "select/backend.h"

namespace ggfp8 {
extern const Backend kAmxBackend;
}

namespace {

using cpu_problem::Case;
using ggfp8::DeviceInfo;
using ggfp8::Problem;
using ggfp8::TileShape;

using Bytes = std::vector<uint8_t>;

bool has_amx() {
  return ggfp8::amx_refusal() == nullptr;
}

bool has_vbmi() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

DeviceInfo device_of(int32_t num_processors) {
  DeviceInfo device;
  device.amx_refusal = nullptr;
  device.num_processors = num_processors;
  return device;
}

Bytes reference_output(const Case& test_case) {
  Bytes out;
  amx_model::compute_reference(test_case.with_output(&out));
  return out;
}

Bytes soft_output(const Case& test_case, const TileShape& shape) {
  Bytes out;
  const Problem problem = test_case.with_output(&out);
  const ggfp8::AmxScratchMemory scratch(shape);
  ggfp8::TileQueue queue(problem, shape);
  for (ggfp8::WorkTile tile; queue.next(&tile);) {
    amx_model::compute_soft_tile(problem, tile, scratch.view());
  }
  return out;
}

Bytes backend_output(const Case& test_case, int32_t num_processors) {
  Bytes out;
  const Problem problem = test_case.with_output(&out);
  const DeviceInfo device = device_of(num_processors);
  const ggfp8::Plan plan = ggfp8::kAmxBackend.plan(problem, device);
  CHECK_EQ(ggfp8::kAmxBackend.launch(problem, device, plan, {}), ggfp8::kSuccess);
  return out;
}

// Sizes are at most the given ones; results may not depend on the tiles or on the threads.
void check_random_problems(uint32_t first_seed, uint32_t num_seeds, int64_t max_rows, int64_t max_n,
                           int64_t max_k) {
  constexpr TileShape kShapes[] = {{256, 256}, {48, 64}, {1, 32}};
  for (uint32_t seed = first_seed; seed < first_seed + num_seeds; ++seed) {
    const Case test_case(seed, max_rows, max_n, max_k);
    const Bytes expected = reference_output(test_case);
    for (const TileShape& shape : kShapes) {
      if (!has_vbmi()) break;
      if (!CHECK(soft_output(test_case, shape) == expected)) {
        std::cerr << "  seed " << seed << ", tiles of " << shape.max_rows << " rows\n";
      }
    }
    for (int32_t num_processors : {1, 2, 5}) {
      if (!has_amx()) break;
      if (!CHECK(backend_output(test_case, num_processors) == expected)) {
        std::cerr << "  seed " << seed << ", " << num_processors << " processors\n";
      }
    }
  }
}

// Registers sums, x and y before a product.
struct Operands {
  uint8_t bytes[3][amx_model::kTileBytes];
};

// Any bits, or values whose products and sums are around the smallest normal number.
Operands random_operands(std::mt19937& random, bool tiny) {
  Operands operands;
  for (auto& tile : operands.bytes) {
    for (uint8_t& byte : tile) byte = static_cast<uint8_t>(random());
  }
  if (!tiny) return operands;
  for (int i = 1; i < 3; ++i) {
    for (int at = 1; at < amx_model::kTileBytes; at += 2) {
      const uint8_t exponent = static_cast<uint8_t>(26 + random() % 12);  // of bfloat16, halved
      operands.bytes[i][at] = static_cast<uint8_t>((random() & 0x80) | exponent);
    }
  }
  std::memset(operands.bytes[0], 0, amx_model::kTileBytes);
  return operands;
}

template <class Registers>
void multiply(Registers& registers, const Operands& operands, float* sums) {
  registers.template load<0>(operands.bytes[0]);
  registers.template load<1>(operands.bytes[1]);
  registers.template load<2>(operands.bytes[2]);
  registers.template add_products<0, 1, 2>();
  registers.template store<0>(sums);
}

// The instruction and its model, whatever the thread's rounding mode; any NaN equals any NaN.
void check_instruction() {
  std::mt19937 random(7);
  int64_t num_wrong = 0;
  for (int turn = 0; turn < 400; ++turn) {
    const Operands operands = random_operands(random, turn % 2 == 1);
    float expected[256], got[256];
    amx_model::SoftRegisters model;
    multiply(model, operands, expected);
    std::fesetround(turn % 4 < 2 ? FE_TONEAREST : FE_UPWARD);
    {
      ggfp8::AmxRegisters registers;
      multiply(registers, operands, got);
    }
    std::fesetround(FE_TONEAREST);
    for (int i = 0; i < 256; ++i) {
      const bool both_nan = std::isnan(expected[i]) && std::isnan(got[i]);
      num_wrong += !both_nan && std::memcmp(&expected[i], &got[i], sizeof(float)) != 0;
    }
  }
  CHECK_EQ(num_wrong, 0);
}

// Bits of the state components of the thread that are not in their initial state.
uint32_t state_in_use() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
  return low;
}

// A call leaves no tile state, rounding mode, flag or flush-to-zero of the thread changed, and none
// of them changes its result.
void check_thread_state() {
  constexpr unsigned kFlushToZero = 0x8040;  // FTZ and DAZ
  constexpr uint32_t kTileState = 3u << 17;
  const Case test_case(4242, 200, 512, 512);
  const Bytes expected = reference_output(test_case);
  std::feclearexcept(FE_ALL_EXCEPT);
  std::fesetround(FE_UPWARD);
  std::feraiseexcept(FE_DIVBYZERO);
  const int flags = std::fetestexcept(FE_ALL_EXCEPT);
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | kFlushToZero);
  const Bytes out = backend_output(test_case, 4);
  CHECK_EQ(state_in_use() & kTileState, 0u);
  CHECK_EQ(std::fegetround(), FE_UPWARD);
  CHECK_EQ(std::fetestexcept(FE_ALL_EXCEPT), flags);
  CHECK_EQ(__builtin_ia32_stmxcsr() & kFlushToZero, kFlushToZero);
  std::fesetenv(FE_DFL_ENV);
  CHECK(out == expected);
}

void check_selection() {
  Problem problem = Case(1, 64, 64, 64).problem();
  DeviceInfo device = device_of(7);
  CHECK(ggfp8::kAmxBackend.supports(problem, device).ok);
  device.amx_refusal = "a reason";
  const ggfp8::Support refused = ggfp8::kAmxBackend.supports(problem, device);
  CHECK(!refused.ok && std::strcmp(refused.reason().text, "a reason") == 0);
  device.amx_refusal = nullptr;
  problem.device_type = ggfp8::DeviceType::kCuda;
  CHECK(!ggfp8::kAmxBackend.supports(problem, device).ok);

  problem.n = problem.k = problem.cum_m = 4096;
  const ggfp8::Plan plan = ggfp8::kAmxBackend.plan(problem, device);
  CHECK_EQ(plan.num_workers, 7);
  CHECK_EQ(plan.workspace_bytes, size_t{0});
}

}  // namespace

int main() {
  check_selection();
  check_random_problems(0, 150, 40, 72, 300);      // all codes and layouts, small
  check_random_problems(1000, 4, 600, 700, 200);   // several tiles per group
  check_random_problems(2000, 4, 100, 400, 1500);  // enough work for threads
  check_random_problems(3000, 2, 40, 64, 20000);   // more k than a chunk has
  if (has_amx()) {
    check_instruction();
    check_thread_state();
  }
  std::cout << "tile registers: " << (has_amx() ? "this processor's" : ggfp8::amx_refusal())
            << "; in software: " << (has_vbmi() ? "yes" : "no AVX-512 VBMI") << "\n";
  return check::report();
}
