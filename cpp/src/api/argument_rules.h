// Which sizes and strides the product takes: the rules, without the words.
//
// validate applies them to the members of ggfp8_group_gemm_args, tensors to shapes and strides of
// arrays; each has sentences in the terms of its caller.
#pragma once

#include <cstdint>

#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

struct SizeRule {
  int64_t multiple;
  int64_t limit;

  constexpr bool allows(int64_t size) const {
    return size >= 0 && size <= limit && size % multiple == 0;
  }
};

constexpr SizeRule kCumMRule = {1, GGFP8_MAX_CUM_M};
constexpr SizeRule kNRule = {8, GGFP8_MAX_N};
constexpr SizeRule kKRule = {16, GGFP8_MAX_K};
constexpr SizeRule kBatchSizeRule = {1, GGFP8_MAX_BATCH_SIZE};

// Rows of a and b begin at multiples of so many elements.
constexpr int64_t kFp8StrideMultiple = 16;

struct StrideRule {
  int64_t least;  // keeps rows apart
  int64_t multiple;

  constexpr bool allows(int64_t stride) const { return stride >= least && stride % multiple == 0; }
};

// Whether the farthest element stays addressable: elements have up to 4 bytes, and a second stride
// may add as much again.
inline bool is_addressable(int64_t stride, int64_t count) {
  int64_t reach = 0;
  return !__builtin_mul_overflow(stride, count, &reach) && reach <= INT64_MAX / 16;
}

}  // namespace ggfp8
