/* A C program outside the project: header and library agree, and a small product is right. */
#include <groupgemm_fp8/groupgemm_fp8.h>
#include <groupgemm_fp8/xla.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  static uint8_t a[16], b[8 * 16];
  static float out[8];
  const float scale[1] = {1};
  const int32_t m_indptr[2] = {0, 1};
  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  memset(a, 0x38, sizeof a); /* 1.0 in E4M3 */
  memset(b, 0x38, sizeof b);
  args.a = a;
  args.b = b;
  args.a_scale = scale;
  args.b_scale = scale;
  args.m_indptr = m_indptr;
  args.out = out;
  args.cum_m = 1;
  args.n = 8;
  args.k = 16;
  args.batch_size = 1;
  args.out_dtype = GGFP8_DTYPE_FLOAT32;
  args.device_type = GGFP8_DEVICE_CPU;
  if (ggfp8_group_gemm_nt_groupwise(&args, NULL, 0, NULL) != GGFP8_SUCCESS) {
    fprintf(stderr, "%s\n", ggfp8_last_error());
    return 1;
  }
  printf("version %d, out %g\n", (int)ggfp8_version(), out[0]);
  return out[0] == 16 && ggfp8_group_gemm_args_size() == sizeof args ? 0 : 1;
}
