// The steps on arrays: a legal call of a step said with shapes and types, and what may be wrong in
// an array of it.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <vector>

#include "groupgemm_fp8/moe.h"
#include "random.h"
#include "step_case.h"

namespace fuzz {

// An array of a step. The sizes of bound axes are those of another array, or of the options.
struct StepTensor {
  ggfp8_tensor tensor = {};
  std::vector<int64_t> shape, strides;
  std::vector<bool> is_bound;
  bool is_optional = false;  // NULL says that there is none
  bool is_dense = false;     // its rows may have no gaps
  bool is_output = false;

  StepTensor(const void* data, int32_t dtype, std::vector<int64_t> sizes,
             std::vector<int64_t> steps, std::vector<bool> bound);
  bool has_elements() const;
};

struct StepCall {
  std::vector<StepTensor> arrays;  // missing ones are not here
  std::vector<int> place;          // of each parameter in arrays, or -1
  std::array<const ggfp8_tensor*, 5> pointers = {};

  void add(StepTensor array);
  void add_none() { place.push_back(-1); }
  // Points at the arrays, which move no more.
  void point();
};

StepCall describe(const ggfp8_quantize_groupwise_args& args);
StepCall describe(const ggfp8_silu_mul_quantize_groupwise_args& args);
StepCall describe(const ggfp8_route_args& args);
StepCall describe(const ggfp8_combine_args& args);

int32_t run_tensors(const StepCall& call, const ggfp8_quantize_groupwise_args& args);
int32_t run_tensors(const StepCall& call, const ggfp8_silu_mul_quantize_groupwise_args& args);
int32_t run_tensors(const StepCall& call, const ggfp8_route_args& args);
int32_t run_tensors(const StepCall& call, const ggfp8_combine_args& args);

// Makes one array of the call wrong. Returns the statuses that belong to it: none where the call
// stayed legal.
std::set<int32_t> spoil(Random& random, StepCall* call);

}  // namespace fuzz
