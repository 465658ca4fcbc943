// Sums of rows for any processor; see combine_cpu_token.h.
#include "steps/combine/combine_cpu_token.h"

namespace ggfp8::steps {

extern const FindCombineToken kFindCombineTokenPortable = find_token_function;

}  // namespace ggfp8::steps
