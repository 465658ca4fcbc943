/*
 * Prints one number per function and instruction set that stands for the bits of the results. Two
 * builds of the library that print the same lines compute the same results.
 *
 * The inputs have NaN, infinities, zeros of both signs and subnormal numbers, which flags such as
 * -ffast-math treat in ways of their own. The program also fails if the library made the process
 * flush subnormal numbers to zero when it was loaded.
 */
#define _POSIX_C_SOURCE 200112L
#include <groupgemm_fp8/groupgemm_fp8.h>
#include <groupgemm_fp8/moe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 37, N = 72, K = 384, GROUPS = 3, K_BLOCKS = K / 128, TOP_K = 2 };

static uint8_t a[ROWS * K], b[GROUPS * N * K];
static float a_scale[K_BLOCKS * ROWS], b_scale[GROUPS * K_BLOCKS], x[ROWS * K];
static float scale[K_BLOCKS * ROWS], weight[ROWS * TOP_K], out[ROWS * K];
static int32_t position[ROWS * TOP_K];
static const int32_t m_indptr[GROUPS + 1] = {0, 5, 5, ROWS};

static uint32_t next_random(void) {
  static uint32_t state = 12345;
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

/* Floats over many binades; every 16th is a NaN, an infinity, a zero or subnormal. */
static void fill_floats(float* values, size_t num, int min_exponent) {
  static const uint32_t special[] = {0x7fc00000u, 0x7f800000u, 0xff800000u, 0u,
                                     0x80000000u, 0x00000123u, 0x807fffffu, 1u};
  for (size_t i = 0; i < num; ++i) {
    uint32_t bits = next_random() & 0x807fffffu;
    bits |= (uint32_t)(min_exponent + (int)(next_random() % 24u)) << 23;
    if (i % 16 == 15) bits = special[next_random() % 8u];
    memcpy(&values[i], &bits, sizeof bits);
  }
}

static void fill_inputs(void) {
  for (size_t i = 0; i < sizeof a; ++i) a[i] = (uint8_t)next_random();
  for (size_t i = 0; i < sizeof b; ++i) b[i] = (uint8_t)(next_random() % 0x7fu);
  for (size_t i = 0; i < sizeof a; ++i) {
    if ((a[i] & 0x7f) == 0x7f && i / K % 3 != 0) a[i] = 0x38; /* rows without NaN too */
  }
  fill_floats(a_scale, K_BLOCKS * ROWS, 60);
  fill_floats(b_scale, GROUPS * K_BLOCKS, 1); /* products of both scales are partly subnormal */
  fill_floats(x, ROWS * K, 110);
  fill_floats(weight, ROWS * TOP_K, 110);
  for (int i = 0; i < ROWS * TOP_K; ++i) position[i] = (int32_t)(next_random() % (ROWS + 2)) - 1;
}

static uint64_t hash(uint64_t state, const void* bytes, size_t num_bytes) {
  for (size_t i = 0; i < num_bytes; ++i) {
    state = (state ^ ((const unsigned char*)bytes)[i]) * 1099511628211u;
  }
  return state;
}

/* Overwrites what an earlier call wrote. */
static void clear_results(void) {
  memset(out, 0x55, sizeof out);
  memset(scale, 0x55, sizeof scale);
}

/* Prints a number for the bits of out and scale; returns whether the call failed. */
static int report(const char* isa, const char* name, int32_t status) {
  uint64_t state = hash(14695981039346656037u, out, sizeof out);
  state = hash(state, scale, sizeof scale);
  printf("%s %s %016llx\n", isa, name, (unsigned long long)state);
  if (status != GGFP8_SUCCESS) fprintf(stderr, "%s: %s\n", name, ggfp8_last_error());
  clear_results();
  return status != GGFP8_SUCCESS;
}

static int run_product(const char* isa, const char* name, int32_t out_dtype) {
  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  args.a = a, args.b = b, args.a_scale = a_scale, args.b_scale = b_scale;
  args.m_indptr = m_indptr, args.out = out;
  args.cum_m = ROWS, args.n = N, args.k = K, args.batch_size = GROUPS;
  args.out_dtype = out_dtype, args.device_type = GGFP8_DEVICE_CPU;
  return report(isa, name, ggfp8_group_gemm_nt_groupwise(&args, NULL, 0, NULL));
}

static int run_quantize(const char* isa) {
  ggfp8_quantize_groupwise_args args = GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT;
  args.x = x, args.out = out, args.scale = scale, args.rows = ROWS, args.k = K;
  args.x_dtype = GGFP8_DTYPE_FLOAT32, args.device_type = GGFP8_DEVICE_CPU;
  return report(isa, "quantize", ggfp8_quantize_groupwise(&args, NULL));
}

static int run_silu(const char* isa) {
  ggfp8_silu_mul_quantize_groupwise_args args = GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_ARGS_INIT;
  args.gate_up = x, args.out = out, args.scale = scale, args.rows = ROWS, args.k = K / 2;
  args.gate_up_dtype = GGFP8_DTYPE_FLOAT32, args.device_type = GGFP8_DEVICE_CPU;
  args.block_k = 64;
  return report(isa, "silu", ggfp8_silu_mul_quantize_groupwise(&args, NULL));
}

static int run_combine(const char* isa) {
  ggfp8_combine_args args = GGFP8_COMBINE_ARGS_INIT;
  args.x = x, args.position = position, args.weight = weight, args.out = out;
  args.x_rows = ROWS, args.num_tokens = ROWS, args.top_k = TOP_K, args.k = K;
  args.x_dtype = GGFP8_DTYPE_FLOAT32, args.device_type = GGFP8_DEVICE_CPU;
  return report(isa, "combine", ggfp8_combine(&args, NULL));
}

int main(void) {
  static const char* const isas[] = {"portable", "neon", "avx2", "avx512"};
  volatile float subnormal = 1e-39f;
  int num_failures = 0;
  if (subnormal * 2 == 0) {
    fprintf(stderr, "digest: subnormal numbers: got zero, wanted them kept\n");
    return 1;
  }
  fill_inputs();
  clear_results();
  for (size_t i = 0; i < sizeof isas / sizeof isas[0]; ++i) {
    ggfp8_device_info device = {0};
    device.struct_size = sizeof device;
    setenv("GGFP8_CPU_ISA", isas[i], 1);
    ggfp8_reload_environment();
    if (i > 0 && ggfp8_device_query(GGFP8_DEVICE_CPU, 0, &device) != GGFP8_SUCCESS) continue;
    num_failures += run_product(isas[i], "bfloat16", GGFP8_DTYPE_BFLOAT16);
    num_failures += run_product(isas[i], "float16", GGFP8_DTYPE_FLOAT16);
    num_failures += run_product(isas[i], "float32", GGFP8_DTYPE_FLOAT32);
    num_failures += run_quantize(isas[i]);
    num_failures += run_silu(isas[i]);
    num_failures += run_combine(isas[i]);
  }
  return num_failures;
}
