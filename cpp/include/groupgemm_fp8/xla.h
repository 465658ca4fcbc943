/*
 * groupgemm_fp8 for XLA: handlers for XLA's foreign function interface, API version 0.1.
 *
 * XLA passes an XLA_FFI_CallFrame* and gets an XLA_FFI_Error* with the sentence of
 * ggfp8_last_error(), or NULL. groupgemm_fp8.jax registers the handlers; other users of XLA can.
 * A handler for platform CUDA enqueues on XLA's stream. It may be recorded into a command buffer
 * where nothing else is said.
 *
 * The product:
 *
 * arguments   a, b, a_scale, b_scale, and the group array that group_layout names: dense, row-major
 * results     out, and where the call needs a workspace a uint8 array of the size that
 *             ggfp8_group_gemm_workspace_size gives plus GGFP8_WORKSPACE_ALIGNMENT
 * attributes  int32 scale_granularity_m, _n, _k, scale_major, b_scale_major, mma_sm, a_dtype,
 *             b_dtype, group_layout, group_alignment, expected_m and string backend, each as the
 *             member of ggfp8_group_gemm_options; a missing one, and an empty backend, mean the
 *             default. int32 b_has_swapped_axes: b is an array of shape (batch_size, k, n) whose
 *             layout in XLA has k as the fastest axis, then n; 0 means that it is not
 *
 * The arrays are checked as those of ggfp8_group_gemm_nt_groupwise_tensors.
 */
#ifndef GROUPGEMM_FP8_XLA_H_
#define GROUPGEMM_FP8_XLA_H_

#include <groupgemm_fp8/groupgemm_fp8.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For platform cpu. */
GGFP8_API void* ggfp8_xla_ffi_cpu(void* call_frame);

/* For platform CUDA. */
GGFP8_API void* ggfp8_xla_ffi_cuda(void* call_frame);

/* Call with GGFP8_FLAG_VALIDATE_M_INDPTR. These wait and cannot be recorded. */
GGFP8_API void* ggfp8_xla_ffi_cpu_validate(void* call_frame);
GGFP8_API void* ggfp8_xla_ffi_cuda_validate(void* call_frame);

/*
 * The steps of moe.h, each as the function of its name that takes arrays. Attributes are int32
 * where no type is said, and a missing one means the default. Rows that a step leaves alone have
 * arbitrary values in XLA's new arrays.
 *
 * quantize_groupwise           arguments x, or x and the rows' indices; results out, out_scale;
 *                              attributes block_rows, block_k, scale_major, power_of_two_scales,
 *                              and scatters: 0, the indices are row_index; 1, they are position
 * silu_mul_quantize_groupwise  arguments gate_up, or gate_up and m_indptr; results out, out_scale;
 *                              attributes float32 limit and alpha, block_k, scale_major,
 *                              power_of_two_scales
 * route                        argument top_k_index; results row_index, position, m_indptr, and
 *                              where the call needs a workspace a uint8 array of the size that
 *                              ggfp8_route_workspace_size gives plus GGFP8_WORKSPACE_ALIGNMENT
 * combine                      arguments x, position, weight; result out
 */
GGFP8_API void* ggfp8_xla_ffi_quantize_groupwise_cpu(void* call_frame);
GGFP8_API void* ggfp8_xla_ffi_quantize_groupwise_cuda(void* call_frame);
GGFP8_API void* ggfp8_xla_ffi_silu_mul_quantize_groupwise_cpu(void* call_frame);
GGFP8_API void* ggfp8_xla_ffi_silu_mul_quantize_groupwise_cuda(void* call_frame);
GGFP8_API void* ggfp8_xla_ffi_route_cpu(void* call_frame);
GGFP8_API void* ggfp8_xla_ffi_route_cuda(void* call_frame);
GGFP8_API void* ggfp8_xla_ffi_combine_cpu(void* call_frame);
GGFP8_API void* ggfp8_xla_ffi_combine_cuda(void* call_frame);

#ifdef __cplusplus
}
#endif

#endif /* GROUPGEMM_FP8_XLA_H_ */
