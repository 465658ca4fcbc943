/*
 * The smallest complete use from C: two groups on host arrays, which are multiplied on the CPU.
 *
 * a has 6 rows: group 0 owns rows 0 to 1, group 1 owns rows 2 to 5. Every element of a is 1.0,
 * every element of b[g] is 2.0, and each scale differs, so that each result can be told by hand:
 * out[r, j] = a_scale[r] * b_scale[g] * k * 2.
 */
#include <groupgemm_fp8/groupgemm_fp8.h>
#include <stdio.h>
#include <string.h>

enum { CUM_M = 6, N = 16, K = 128, GROUPS = 2 };

#define E4M3_ONE 0x38 /* sign 0, exponent 7 (bias 7), mantissa 0 */
#define E4M3_TWO 0x40

static uint8_t a[CUM_M * K];
static uint8_t b[GROUPS * N * K];
static float out[CUM_M * N];

int main(void) {
  /* One scale per row of a and per 128 elements of k; one per 128 x 128 block of b. */
  const float a_scale[CUM_M] = {1, 2, 4, 8, 16, 32};
  const float b_scale[GROUPS] = {0.5f, 0.25f};
  const int32_t m_indptr[GROUPS + 1] = {0, 2, 6};
  memset(a, E4M3_ONE, sizeof a);
  memset(b, E4M3_TWO, sizeof b);

  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  args.a = a;
  args.b = b;
  args.a_scale = a_scale;
  args.b_scale = b_scale;
  args.m_indptr = m_indptr;
  args.out = out;
  args.cum_m = CUM_M;
  args.n = N;
  args.k = K;
  args.batch_size = GROUPS;
  args.out_dtype = GGFP8_DTYPE_FLOAT32;
  args.device_type = GGFP8_DEVICE_CPU;

  const int32_t status = ggfp8_group_gemm_nt_groupwise(&args, NULL, 0, NULL);
  if (status != GGFP8_SUCCESS) {
    fprintf(stderr, "%s: %s\n", ggfp8_status_string(status), ggfp8_last_error());
    return 1;
  }

  for (int row = 0; row < CUM_M; ++row) {
    const int group = row < m_indptr[1] ? 0 : 1;
    const float expected = a_scale[row] * b_scale[group] * K * 2;
    printf("row %d, group %d: %g\n", row, group, out[row * N]);
    for (int col = 0; col < N; ++col) {
      if (out[row * N + col] != expected) {
        fprintf(stderr, "out[%d, %d]: wanted %g\n", row, col, expected);
        return 1;
      }
    }
  }
  return 0;
}
