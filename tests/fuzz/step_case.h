// Random legal calls of the steps on host memory, whose results are easy to say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "groupgemm_fp8/moe.h"
#include "guarded_array.h"
#include "random.h"

namespace fuzz {

// An array of a step. An output has the bytes that it must have after the call.
struct StepArray {
  std::unique_ptr<GuardedArray> memory;
  std::vector<uint8_t> expected;

  StepArray(Random& random, int64_t num_bytes)
      : memory(std::make_unique<GuardedArray>(num_bytes, random.one_in(2))) {
    memory->fill(kPattern);
  }
  // Makes an output of the array, of which nothing is written yet.
  void make_output() { expected.assign(static_cast<size_t>(memory->num_bytes()), kPattern); }
  bool is_output() const { return !expected.empty(); }

  void clear() {
    if (is_output()) memory->fill(kPattern);
  }
  bool is_right() const {
    return !is_output() || std::memcmp(memory->as<void>(), expected.data(), expected.size()) == 0;
  }
  bool is_untouched() const {
    if (!is_output()) return true;
    for (int64_t i = 0; i < memory->num_bytes(); ++i) {
      if (memory->as<uint8_t>()[i] != kPattern) return false;
    }
    return true;
  }

  static constexpr uint8_t kPattern = 0xA5;
};

// A call with its arrays in the order of their pointers in the args; an array may be missing.
template <class Args>
struct StepCase {
  Args args;
  std::vector<std::unique_ptr<StepArray>> arrays;
};

StepCase<ggfp8_quantize_groupwise_args> make_quantize_case(Random& random);
StepCase<ggfp8_silu_mul_quantize_groupwise_args> make_silu_case(Random& random);
StepCase<ggfp8_route_args> make_route_case(Random& random);
StepCase<ggfp8_combine_args> make_combine_case(Random& random);

}  // namespace fuzz
