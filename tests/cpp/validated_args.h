// Arguments for api/validate.h. No array is read, so addresses are made up.
#pragma once

#include <cstdint>

#include "api/validate.h"

using Args = ggfp8_group_gemm_args;

template <class T>
T* address(uintptr_t value) {
  return reinterpret_cast<T*>(value);
}

// Returns legal arguments but for the group array, which is missing. Five groups; the sizes have
// tails in every scale block: 3 x 4 x 2 blocks of (128, 64, 128).
inline Args args_without_groups() {
  Args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  args.a = address<const void>(0x1001);
  args.b = address<const void>(0x2003);
  args.a_scale = address<const float>(0x3004);
  args.b_scale = address<const float>(0x4004);
  args.out = address<void>(0x6004);
  args.cum_m = 300;
  args.n = 200;
  args.k = 144;
  args.batch_size = 5;
  return args;
}

struct Result {
  ggfp8::Status status;
  ggfp8::Problem problem;
  bool empty = false;
};

inline Result validated(const Args& args) {
  Result result;
  result.status = ggfp8::validate(&args, &result.problem, &result.empty);
  return result;
}
