// Sums of rows with AVX2 and FMA; see combine_cpu_token.h.
#include "steps/combine/combine_cpu_token.h"

namespace ggfp8::steps {

extern const FindCombineToken kFindCombineTokenAvx2 = find_token_function;

}  // namespace ggfp8::steps
