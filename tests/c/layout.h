/*
 * Pins the binary layout of the public structs on 64-bit targets. A compile error here means that
 * programs compiled against an earlier header would break: members may only be added at the end.
 */
#ifndef GROUPGEMM_FP8_TESTS_C_LAYOUT_H_
#define GROUPGEMM_FP8_TESTS_C_LAYOUT_H_

#include <groupgemm_fp8/groupgemm_fp8.h>

/* C99 has no static assertion: redeclaring one array is legal while its size stays 1. */
#define PIN(condition) extern const char pinned[(condition) ? 1 : -1]
#define PIN_ARG(member, offset) PIN(offsetof(ggfp8_group_gemm_args, member) == (offset))
#define PIN_PLAN(member, offset) PIN(offsetof(ggfp8_plan_info, member) == (offset))
#define PIN_DEVICE(member, offset) PIN(offsetof(ggfp8_device_info, member) == (offset))
#define PIN_OPTIONS(member, offset) PIN(offsetof(ggfp8_group_gemm_options, member) == (offset))

#define ARGS_V1_SIZE 200
#define PLAN_V1_SIZE 40
#define DEVICE_V1_SIZE 288
#define OPTIONS_V1_SIZE 56

PIN(sizeof(void*) == 8);
PIN(sizeof(size_t) == 8);

PIN_ARG(struct_size, 0);
PIN_ARG(a, 8);
PIN_ARG(b, 16);
PIN_ARG(a_scale, 24);
PIN_ARG(b_scale, 32);
PIN_ARG(m_indptr, 40);
PIN_ARG(out, 48);
PIN_ARG(cum_m, 56);
PIN_ARG(n, 64);
PIN_ARG(k, 72);
PIN_ARG(batch_size, 80);
PIN_ARG(a_row_stride, 88);
PIN_ARG(b_row_stride, 96);
PIN_ARG(b_group_stride, 104);
PIN_ARG(out_row_stride, 112);
PIN_ARG(a_scale_stride, 120);
PIN_ARG(b_scale_stride, 128);
PIN_ARG(b_scale_group_stride, 136);
PIN_ARG(a_dtype, 144);
PIN_ARG(b_dtype, 148);
PIN_ARG(out_dtype, 152);
PIN_ARG(scale_granularity_m, 156);
PIN_ARG(scale_granularity_n, 160);
PIN_ARG(scale_granularity_k, 164);
PIN_ARG(scale_major, 168);
PIN_ARG(mma_sm, 172);
PIN_ARG(device_type, 176);
PIN_ARG(device_id, 180);
PIN_ARG(flags, 184);
PIN_ARG(reserved, 188);
PIN_ARG(backend, 192);
PIN_ARG(b_scale_major, 200);
PIN_ARG(reserved_2, 204);
PIN(sizeof(ggfp8_group_gemm_args) == ARGS_V1_SIZE + 8);

PIN_PLAN(struct_size, 0);
PIN_PLAN(backend, 8);
PIN_PLAN(config, 16);
PIN_PLAN(workspace_bytes, 24);
PIN_PLAN(num_workers, 32);
PIN_PLAN(reserved, 36);
PIN(sizeof(ggfp8_plan_info) == PLAN_V1_SIZE);

PIN_DEVICE(struct_size, 0);
PIN_DEVICE(name, 8);
PIN_DEVICE(compute_major, 264);
PIN_DEVICE(compute_minor, 268);
PIN_DEVICE(num_processors, 272);
PIN_DEVICE(reserved, 276);
PIN_DEVICE(l2_bytes, 280);
PIN(sizeof(ggfp8_device_info) == DEVICE_V1_SIZE);

PIN_OPTIONS(struct_size, 0);
PIN_OPTIONS(backend, 8);
PIN_OPTIONS(scale_granularity_m, 16);
PIN_OPTIONS(scale_granularity_n, 20);
PIN_OPTIONS(scale_granularity_k, 24);
PIN_OPTIONS(scale_major, 28);
PIN_OPTIONS(mma_sm, 32);
PIN_OPTIONS(a_dtype, 36);
PIN_OPTIONS(b_dtype, 40);
PIN_OPTIONS(out_dtype, 44);
PIN_OPTIONS(flags, 48);
PIN_OPTIONS(b_scale_major, 52);
PIN(sizeof(ggfp8_group_gemm_options) == OPTIONS_V1_SIZE);

#endif /* GROUPGEMM_FP8_TESTS_C_LAYOUT_H_ */
