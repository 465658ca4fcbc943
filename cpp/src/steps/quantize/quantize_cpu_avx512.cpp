// Quantisation of strips with AVX-512; see quantize_cpu_strip.h.
#include "steps/quantize/quantize_cpu_strip.h"

namespace ggfp8::steps {

extern const FindQuantizeStrip kFindQuantizeStripAvx512 = find_strip_function;

}  // namespace ggfp8::steps
