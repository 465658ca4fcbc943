// The bodies of the functions of moe.h that take arrays with shapes. They are users of the
// functions that take plain pointers: nothing is computed here.
#include "api/guard.h"
#include "api/tensors_combine.h"
#include "api/tensors_quantize.h"
#include "api/tensors_route.h"
#include "groupgemm_fp8/moe.h"

using namespace ggfp8;

extern "C" {

int32_t ggfp8_quantize_groupwise_tensors(const ggfp8_tensor* x, const ggfp8_tensor* row_index,
                                         const ggfp8_tensor* position, const ggfp8_tensor* out,
                                         const ggfp8_tensor* out_scale,
                                         const ggfp8_quantize_groupwise_options* options,
                                         void* stream) {
  return guarded([&]() -> Status {
    ggfp8_quantize_groupwise_args args = GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT;
    bool empty = false;
    if (Status s = quantize_args_from_tensors({x, row_index, position, out, out_scale}, options,
                                              &args, &empty)) {
      return s;
    }
    return empty ? kSuccess : ggfp8_quantize_groupwise(&args, stream);
  });
}

int32_t ggfp8_silu_mul_quantize_groupwise_tensors(
    const ggfp8_tensor* gate_up, const ggfp8_tensor* m_indptr, const ggfp8_tensor* out,
    const ggfp8_tensor* out_scale, const ggfp8_silu_mul_quantize_groupwise_options* options,
    void* stream) {
  return guarded([&]() -> Status {
    ggfp8_silu_mul_quantize_groupwise_args args = GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_ARGS_INIT;
    bool empty = false;
    if (Status s =
            silu_args_from_tensors({gate_up, m_indptr, out, out_scale}, options, &args, &empty)) {
      return s;
    }
    return empty ? kSuccess : ggfp8_silu_mul_quantize_groupwise(&args, stream);
  });
}

int32_t ggfp8_route_tensors(const ggfp8_tensor* top_k_index, const ggfp8_tensor* row_index,
                            const ggfp8_tensor* position, const ggfp8_tensor* m_indptr,
                            const ggfp8_tensor* workspace, uint32_t flags, void* stream) {
  return guarded([&]() -> Status {
    ggfp8_route_args args = GGFP8_ROUTE_ARGS_INIT;
    WorkspacePart part;
    if (Status s = route_args_from_tensors({top_k_index, row_index, position, m_indptr, workspace},
                                           flags, &args, &part)) {
      return s;
    }
    return ggfp8_route(&args, part.data, part.bytes, stream);
  });
}

int32_t ggfp8_combine_tensors(const ggfp8_tensor* x, const ggfp8_tensor* position,
                              const ggfp8_tensor* weight, const ggfp8_tensor* out, uint32_t flags,
                              void* stream) {
  return guarded([&]() -> Status {
    ggfp8_combine_args args = GGFP8_COMBINE_ARGS_INIT;
    if (Status s = combine_args_from_tensors({x, position, weight, out}, flags, &args)) return s;
    return ggfp8_combine(&args, stream);
  });
}

}  // extern "C"
