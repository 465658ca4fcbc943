/* The header moe.h in strict C99: layouts of its structs, its macros, and a call of each function.
 */
#include <groupgemm_fp8/moe.h>
#include <string.h>

#include "expect.h"
#include "layout.h"

#define PIN_QUANTIZE(member, offset) \
  PIN(offsetof(ggfp8_quantize_groupwise_args, member) == (offset))
#define PIN_SILU(member, offset) \
  PIN(offsetof(ggfp8_silu_mul_quantize_groupwise_args, member) == (offset))
#define PIN_ROUTE(member, offset) PIN(offsetof(ggfp8_route_args, member) == (offset))
#define PIN_COMBINE(member, offset) PIN(offsetof(ggfp8_combine_args, member) == (offset))

PIN(GGFP8_DTYPE_INT32 == 6);
PIN(GGFP8_DTYPE_INT64 == 7);
PIN(GGFP8_FLAG_OUT_SCALE_READ_ONLY == 8u);
PIN(GGFP8_FLAG_POWER_OF_TWO_SCALES == 16u);
PIN(GGFP8_MAX_ROUTED_ROWS == 2147483647);

PIN_QUANTIZE(x, 8);
PIN_QUANTIZE(row_index, 16);
PIN_QUANTIZE(out, 24);
PIN_QUANTIZE(scale, 32);
PIN_QUANTIZE(batch_size, 40);
PIN_QUANTIZE(rows, 48);
PIN_QUANTIZE(k, 56);
PIN_QUANTIZE(x_rows, 64);
PIN_QUANTIZE(x_row_stride, 72);
PIN_QUANTIZE(x_batch_stride, 80);
PIN_QUANTIZE(out_row_stride, 88);
PIN_QUANTIZE(out_batch_stride, 96);
PIN_QUANTIZE(scale_stride, 104);
PIN_QUANTIZE(scale_batch_stride, 112);
PIN_QUANTIZE(x_dtype, 120);
PIN_QUANTIZE(out_dtype, 124);
PIN_QUANTIZE(row_index_dtype, 128);
PIN_QUANTIZE(block_rows, 132);
PIN_QUANTIZE(block_k, 136);
PIN_QUANTIZE(scale_major, 140);
PIN_QUANTIZE(device_type, 144);
PIN_QUANTIZE(device_id, 148);
PIN_QUANTIZE(flags, 152);
PIN_QUANTIZE(reserved, 156);
PIN_QUANTIZE(position, 160);
PIN_QUANTIZE(top_k, 168);
PIN_QUANTIZE(out_rows, 176);
PIN_QUANTIZE(position_row_stride, 184);
PIN(sizeof(ggfp8_quantize_groupwise_args) == 192);
PIN(sizeof(ggfp8_quantize_groupwise_options) == 32);

PIN_SILU(gate_up, 8);
PIN_SILU(m_indptr, 16);
PIN_SILU(out, 24);
PIN_SILU(scale, 32);
PIN_SILU(rows, 40);
PIN_SILU(k, 48);
PIN_SILU(batch_size, 56);
PIN_SILU(gate_up_row_stride, 64);
PIN_SILU(out_row_stride, 72);
PIN_SILU(scale_stride, 80);
PIN_SILU(limit, 88);
PIN_SILU(alpha, 92);
PIN_SILU(gate_up_dtype, 96);
PIN_SILU(out_dtype, 100);
PIN_SILU(block_k, 104);
PIN_SILU(scale_major, 108);
PIN_SILU(device_type, 112);
PIN_SILU(device_id, 116);
PIN_SILU(flags, 120);
PIN_SILU(reserved, 124);
PIN(sizeof(ggfp8_silu_mul_quantize_groupwise_args) == 128);
PIN(sizeof(ggfp8_silu_mul_quantize_groupwise_options) == 32);

PIN_ROUTE(top_k_index, 8);
PIN_ROUTE(row_index, 16);
PIN_ROUTE(position, 24);
PIN_ROUTE(m_indptr, 32);
PIN_ROUTE(num_tokens, 40);
PIN_ROUTE(top_k, 48);
PIN_ROUTE(batch_size, 56);
PIN_ROUTE(top_k_index_row_stride, 64);
PIN_ROUTE(top_k_index_dtype, 72);
PIN_ROUTE(device_type, 76);
PIN_ROUTE(device_id, 80);
PIN_ROUTE(flags, 84);
PIN(sizeof(ggfp8_route_args) == 88);

PIN_COMBINE(x, 8);
PIN_COMBINE(position, 16);
PIN_COMBINE(weight, 24);
PIN_COMBINE(out, 32);
PIN_COMBINE(x_rows, 40);
PIN_COMBINE(num_tokens, 48);
PIN_COMBINE(top_k, 56);
PIN_COMBINE(k, 64);
PIN_COMBINE(x_row_stride, 72);
PIN_COMBINE(position_row_stride, 80);
PIN_COMBINE(weight_row_stride, 88);
PIN_COMBINE(out_row_stride, 96);
PIN_COMBINE(x_dtype, 104);
PIN_COMBINE(weight_dtype, 108);
PIN_COMBINE(out_dtype, 112);
PIN_COMBINE(device_type, 116);
PIN_COMBINE(device_id, 120);
PIN_COMBINE(flags, 124);
PIN(sizeof(ggfp8_combine_args) == 128);

/* An INIT macro gives all defaults. */
#define EXPECT_INIT(type, init)                          \
  do {                                                   \
    type initial = init;                                 \
    type zeros;                                          \
    memset(&zeros, 0, sizeof zeros);                     \
    zeros.struct_size = sizeof zeros;                    \
    EXPECT(memcmp(&initial, &zeros, sizeof zeros) == 0); \
  } while (0)

static void test_init_macros(void) {
  EXPECT_INIT(ggfp8_quantize_groupwise_args, GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT);
  EXPECT_INIT(ggfp8_quantize_groupwise_options, GGFP8_QUANTIZE_GROUPWISE_OPTIONS_INIT);
  EXPECT_INIT(ggfp8_silu_mul_quantize_groupwise_args, GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_ARGS_INIT);
  EXPECT_INIT(ggfp8_silu_mul_quantize_groupwise_options,
              GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_OPTIONS_INIT);
  EXPECT_INIT(ggfp8_route_args, GGFP8_ROUTE_ARGS_INIT);
  EXPECT_INIT(ggfp8_combine_args, GGFP8_COMBINE_ARGS_INIT);
  EXPECT(ggfp8_quantize_groupwise_args_size() == sizeof(ggfp8_quantize_groupwise_args));
  EXPECT(ggfp8_silu_mul_quantize_groupwise_args_size() ==
         sizeof(ggfp8_silu_mul_quantize_groupwise_args));
  EXPECT(ggfp8_route_args_size() == sizeof(ggfp8_route_args));
  EXPECT(ggfp8_combine_args_size() == sizeof(ggfp8_combine_args));
}

static const float x[32] = {448, -448, 1};
static uint8_t codes[32];
static float scale[1];

static ggfp8_quantize_groupwise_args quantize_args(void) {
  ggfp8_quantize_groupwise_args args = GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT;
  args.x = x;
  args.out = codes;
  args.scale = scale;
  args.rows = 1;
  args.k = 32;
  args.x_dtype = GGFP8_DTYPE_FLOAT32;
  args.device_type = GGFP8_DEVICE_CPU;
  return args;
}

static void test_quantize(void) {
  const ggfp8_quantize_groupwise_args args = quantize_args();
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_quantize_groupwise(&args, NULL));
  EXPECT(scale[0] == 1 && codes[0] == 0x7e && codes[1] == 0xfe && codes[2] == 0x38);
}

static void test_silu(void) {
  static const float gate_up[2] = {64, 7};
  ggfp8_silu_mul_quantize_groupwise_args args = GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_ARGS_INIT;
  args.gate_up = gate_up;
  args.out = codes;
  args.scale = scale;
  args.rows = 1;
  args.k = 1;
  args.gate_up_dtype = GGFP8_DTYPE_FLOAT32;
  args.device_type = GGFP8_DEVICE_CPU;
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_silu_mul_quantize_groupwise(&args, NULL));
  EXPECT(scale[0] == 1 && codes[0] == 0x7e);
}

static void test_route_and_combine(void) {
  static const int32_t top_k_index[2] = {1, 0};
  static const float weight[2] = {0.5f, 1};
  static int32_t row_index[2], position[2], m_indptr[3];
  static float out[32];
  ggfp8_route_args route = GGFP8_ROUTE_ARGS_INIT;
  ggfp8_combine_args combine = GGFP8_COMBINE_ARGS_INIT;
  size_t bytes = 1;
  route.top_k_index = top_k_index;
  route.row_index = row_index;
  route.position = position;
  route.m_indptr = m_indptr;
  route.num_tokens = 1;
  route.top_k = 2;
  route.batch_size = 2;
  route.device_type = GGFP8_DEVICE_CPU;
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_route_workspace_size(&route, &bytes));
  EXPECT(bytes == 0);
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_route(&route, NULL, 0, NULL));
  EXPECT(position[0] == 1 && position[1] == 0 && m_indptr[1] == 1 && m_indptr[2] == 2);

  position[1] = -1;
  position[0] = 0;
  combine.x = x;
  combine.position = position;
  combine.weight = weight;
  combine.out = out;
  combine.x_rows = 1;
  combine.num_tokens = 1;
  combine.top_k = 2;
  combine.k = 32;
  combine.x_dtype = GGFP8_DTYPE_FLOAT32;
  combine.device_type = GGFP8_DEVICE_CPU;
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_combine(&combine, NULL));
  EXPECT(out[0] == 224 && out[1] == -224 && out[3] == 0);
}

static void test_refusals(void) {
  ggfp8_quantize_groupwise_args args = quantize_args();
  codes[0] = 1;
  args.struct_size = 191;
  EXPECT_STATUS(GGFP8_ERROR_INVALID_STRUCT_SIZE, ggfp8_quantize_groupwise(&args, NULL));
  args = quantize_args();
  args.block_rows = 128;
  args.row_index = codes;
  args.x_rows = 1;
  EXPECT_STATUS(GGFP8_ERROR_INVALID_GRANULARITY, ggfp8_quantize_groupwise(&args, NULL));
  args = quantize_args();
  args.x_row_stride = 31;
  EXPECT_STATUS(GGFP8_ERROR_INVALID_STRIDE, ggfp8_quantize_groupwise(&args, NULL));
  args = quantize_args();
  args.x = NULL;
  EXPECT_STATUS(GGFP8_ERROR_INVALID_ARGUMENT, ggfp8_quantize_groupwise(&args, NULL));
  args = quantize_args();
  args.scale = (float*)((char*)scale + 1);
  EXPECT_STATUS(GGFP8_ERROR_INVALID_ALIGNMENT, ggfp8_quantize_groupwise(&args, NULL));
  EXPECT(codes[0] == 1);
  EXPECT_STATUS(GGFP8_ERROR_INVALID_ARGUMENT, ggfp8_quantize_groupwise(NULL, NULL));
  EXPECT_STATUS(GGFP8_ERROR_INVALID_ARGUMENT, ggfp8_route_workspace_size(NULL, NULL));
}

int main(void) {
  test_init_macros();
  test_quantize();
  test_silu();
  test_route_and_combine();
  test_refusals();
  return num_failures;
}
