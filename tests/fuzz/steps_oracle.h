// The word of moe.h on arguments: the statuses that a call of a step may return, and the memory
// that it needs. Written from the header's sentences, without the library's code.
#pragma once

#include "args_oracle.h"
#include "groupgemm_fp8/moe.h"

namespace fuzz {

// Verdict::needs has the pointers of a struct in their order there.
Verdict judge(const ggfp8_quantize_groupwise_args& args);
Verdict judge(const ggfp8_silu_mul_quantize_groupwise_args& args);
Verdict judge(const ggfp8_route_args& args);
Verdict judge(const ggfp8_combine_args& args);

}  // namespace fuzz
