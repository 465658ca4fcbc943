// Arguments of the steps that only callers with pointers can give: each is refused, and nothing is
// read or written.
#include <cmath>
#include <cstdint>
#include <limits>

#include "check.h"
#include "groupgemm_fp8/moe.h"

namespace {

// An aligned address that is no memory.
template <class T>
T* no_memory() {
  return reinterpret_cast<T*>(uintptr_t{0x1000});
}

void check_limits_of_gates() {
  const float infinity = std::numeric_limits<float>::infinity();
  for (float wrong : {std::nanf(""), -1.0f, -infinity}) {
    for (float ggfp8_silu_mul_quantize_groupwise_args::* member :
         {&ggfp8_silu_mul_quantize_groupwise_args::limit,
          &ggfp8_silu_mul_quantize_groupwise_args::alpha}) {
      ggfp8_silu_mul_quantize_groupwise_args args = GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_ARGS_INIT;
      args.gate_up = no_memory<void>();
      args.out = no_memory<void>();
      args.scale = no_memory<float>();
      args.rows = 1;
      args.k = 128;
      args.device_type = GGFP8_DEVICE_CPU;
      args.*member = wrong;
      CHECK_EQ(ggfp8_silu_mul_quantize_groupwise(&args, nullptr), GGFP8_ERROR_INVALID_ARGUMENT);
    }
  }
}

void check_gathered_rows() {
  ggfp8_quantize_groupwise_args args = GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT;
  args.rows = args.x_rows = 1;
  args.k = 128;
  args.row_index = no_memory<void>();
  args.device_type = GGFP8_DEVICE_CPU;
  args.block_rows = 128;
  CHECK_EQ(ggfp8_quantize_groupwise(&args, nullptr), GGFP8_ERROR_INVALID_GRANULARITY);
}

void check_number_of_pairs() {
  ggfp8_route_args args = GGFP8_ROUTE_ARGS_INIT;
  args.num_tokens = GGFP8_MAX_ROUTED_ROWS;
  args.top_k = 2;
  args.batch_size = 1;
  args.device_type = GGFP8_DEVICE_CPU;
  CHECK_EQ(ggfp8_route(&args, nullptr, 0, nullptr), GGFP8_ERROR_INVALID_SHAPE);
}

}  // namespace

int main() {
  check_limits_of_gates();
  check_gathered_rows();
  check_number_of_pairs();
  return check::report();
}
