// The header's word on arguments: the statuses that a call may return, and the memory it needs.
// Written from the header's sentences, without the library's code.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "groupgemm_fp8/groupgemm_fp8.h"

namespace fuzz {

__extension__ typedef __int128 Wide;

struct Verdict {
  std::set<int32_t> refusals;  // empty: the call succeeds
  bool empty = false;          // no element of out: no array is read or written
  // Bytes that a legal call may touch: a, b, a_scale, b_scale, groups, out.
  std::vector<Wide> needs;
};

Verdict judge(const ggfp8_group_gemm_args& args);

}  // namespace fuzz
