// Quantisation of strips for any processor; see quantize_cpu_strip.h.
#include "steps/quantize/quantize_cpu_strip.h"

namespace ggfp8::steps {

extern const FindQuantizeStrip kFindQuantizeStripPortable = find_strip_function;

}  // namespace ggfp8::steps
