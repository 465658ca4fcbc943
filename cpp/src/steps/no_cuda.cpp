// The steps of a build without CUDA. No call gets here: such a build has no CUDA device.
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "steps/combine/combine_cuda.h"
#include "steps/quantize/quantize_cuda.h"
#include "steps/route/route_cuda.h"

namespace ggfp8::steps {
namespace {

Status refuse_cuda() {
  return fail(GGFP8_ERROR_NO_DRIVER,
              "device_type: got CUDA, wanted CPU: this library was built without CUDA steps");
}

}  // namespace

Status quantize_on_cuda(const QuantizeProblem&, void*) {
  return refuse_cuda();
}

Status route_on_cuda(const RouteProblem&, void*, void*) {
  return refuse_cuda();
}

Status combine_on_cuda(const CombineProblem&, void*) {
  return refuse_cuda();
}

}  // namespace ggfp8::steps
