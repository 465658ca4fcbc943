/*
 * Programs compiled against another header: an older caller has the version 1 structs, a newer one
 * has members that this library does not know, which it accepts only while they are zero.
 */
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "layout.h"

enum { TAIL_BYTES = 64 };

static uint8_t a[16];
static uint8_t b[8 * 16];
static const float scale[1] = {1};
static const int32_t m_indptr[2] = {0, 1};
static float out[8];

/* The caller's view: version 1 members, then what a later header might add. */
typedef struct {
  ggfp8_group_gemm_args v1;
  unsigned char tail[TAIL_BYTES];
} newer_args;

static newer_args make_args(size_t struct_size) {
  newer_args args;
  memset(&args, 0, sizeof args);
  memset(a, 0x38, sizeof a);
  memset(b, 0x38, sizeof b);
  args.v1.struct_size = struct_size;
  args.v1.a = a;
  args.v1.b = b;
  args.v1.a_scale = scale;
  args.v1.b_scale = scale;
  args.v1.m_indptr = m_indptr;
  args.v1.out = out;
  args.v1.cum_m = 1;
  args.v1.n = 8;
  args.v1.k = 16;
  args.v1.batch_size = 1;
  args.v1.out_dtype = GGFP8_DTYPE_FLOAT32;
  args.v1.device_type = GGFP8_DEVICE_CPU;
  return args;
}

static int32_t call(const newer_args* args) {
  memset(out, 0, sizeof out);
  return ggfp8_group_gemm_nt_groupwise(&args->v1, NULL, 0, NULL);
}

/* A heap block of exactly version 1: reading past it is an error under a sanitizer. */
static void test_caller_of_version_1(void) {
  const newer_args args = make_args(ARGS_V1_SIZE);
  ggfp8_group_gemm_args* exact = malloc(ARGS_V1_SIZE);
  EXPECT(exact != NULL);
  if (exact == NULL) return;
  memcpy(exact, &args.v1, ARGS_V1_SIZE);
  memset(out, 0, sizeof out);
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_group_gemm_nt_groupwise(exact, NULL, 0, NULL));
  EXPECT(out[0] == 16 && out[7] == 16);
  free(exact);
}

static void test_sizes_below_version_1(void) {
  static const size_t sizes[] = {0, 1, sizeof(size_t), ARGS_V1_SIZE - 8, ARGS_V1_SIZE - 1};
  size_t i;
  for (i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
    const newer_args args = make_args(sizes[i]);
    EXPECT_STATUS(GGFP8_ERROR_INVALID_STRUCT_SIZE, call(&args));
    EXPECT(strstr(ggfp8_last_error(), "struct_size") != NULL);
    EXPECT(out[0] == 0);
  }
}

static void test_newer_caller(void) {
  newer_args args = make_args(sizeof(newer_args));
  size_t i;
  EXPECT_STATUS(GGFP8_SUCCESS, call(&args));
  EXPECT(out[0] == 16);
  for (i = 0; i < TAIL_BYTES; ++i) {
    args.tail[i] = 1;
    EXPECT_STATUS(GGFP8_ERROR_INVALID_STRUCT_SIZE, call(&args));
    EXPECT(out[0] == 0);
    args.tail[i] = 0;
  }
}

static void test_garbage_size(void) {
  const newer_args args = make_args((size_t)-1);
  EXPECT_STATUS(GGFP8_ERROR_INVALID_STRUCT_SIZE, call(&args));
}

/* Unknown content in known members is refused too, so that it can get a meaning later. */
static void test_reserved_and_flags(void) {
  newer_args args = make_args(ARGS_V1_SIZE);
  args.v1.reserved = 1;
  EXPECT_STATUS(GGFP8_ERROR_INVALID_ARGUMENT, call(&args));
  args = make_args(ARGS_V1_SIZE);
  args.v1.flags = 1u << 31;
  EXPECT_STATUS(GGFP8_ERROR_INVALID_ARGUMENT, call(&args));
}

/* Output structs: written up to the caller's size and not a byte further. */
static void test_plan_info(void) {
  const newer_args args = make_args(ARGS_V1_SIZE);
  struct {
    ggfp8_plan_info v1;
    unsigned char tail[TAIL_BYTES];
  } plan;
  memset(&plan, 0, sizeof plan);
  plan.v1.struct_size = PLAN_V1_SIZE;
  plan.tail[0] = 0xa5;
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_group_gemm_plan(&args.v1, &plan.v1));
  EXPECT(plan.v1.struct_size == PLAN_V1_SIZE && plan.v1.backend != NULL);
  EXPECT(plan.tail[0] == 0xa5 && plan.tail[1] == 0);

  plan.v1.struct_size = PLAN_V1_SIZE - 1;
  EXPECT_STATUS(GGFP8_ERROR_INVALID_STRUCT_SIZE, ggfp8_group_gemm_plan(&args.v1, &plan.v1));
  EXPECT_STATUS(GGFP8_ERROR_INVALID_ARGUMENT, ggfp8_group_gemm_plan(&args.v1, NULL));
}

static void test_device_info(void) {
  struct {
    ggfp8_device_info v1;
    unsigned char tail[TAIL_BYTES];
  } info;
  memset(&info, 0, sizeof info);
  info.v1.struct_size = DEVICE_V1_SIZE;
  info.tail[0] = 0xa5;
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_device_query(GGFP8_DEVICE_CPU, 0, &info.v1));
  EXPECT(info.v1.struct_size == DEVICE_V1_SIZE && info.v1.num_processors >= 1);
  EXPECT(info.tail[0] == 0xa5 && info.tail[1] == 0);

  info.v1.struct_size = 0;
  EXPECT_STATUS(GGFP8_ERROR_INVALID_STRUCT_SIZE, ggfp8_device_query(GGFP8_DEVICE_CPU, 0, &info.v1));
}

int main(void) {
  test_caller_of_version_1();
  test_sizes_below_version_1();
  test_newer_caller();
  test_garbage_size();
  test_reserved_and_flags();
  test_plan_info();
  test_device_info();
  return num_failures;
}
