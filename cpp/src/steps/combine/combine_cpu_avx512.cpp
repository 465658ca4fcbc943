// Sums of rows with AVX-512; see combine_cpu_token.h.
#include "steps/combine/combine_cpu_token.h"

namespace ggfp8::steps {

extern const FindCombineToken kFindCombineTokenAvx512 = find_token_function;

}  // namespace ggfp8::steps
