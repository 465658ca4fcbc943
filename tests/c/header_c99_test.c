/* The header in strict C99: every constant has its pinned value and every function is called. */
#include <groupgemm_fp8/xla.h>
#include <string.h>

#include "expect.h"
#include "layout.h"

PIN(GGFP8_SUCCESS == 0);
PIN(GGFP8_ERROR_INVALID_ARGUMENT == 100);
PIN(GGFP8_ERROR_INVALID_STRUCT_SIZE == 101);
PIN(GGFP8_ERROR_INVALID_DTYPE == 110);
PIN(GGFP8_ERROR_INVALID_SHAPE == 120);
PIN(GGFP8_ERROR_INVALID_STRIDE == 121);
PIN(GGFP8_ERROR_INVALID_ALIGNMENT == 122);
PIN(GGFP8_ERROR_INVALID_GRANULARITY == 130);
PIN(GGFP8_ERROR_INVALID_SCALE_MAJOR == 131);
PIN(GGFP8_ERROR_INVALID_MMA_SM == 132);
PIN(GGFP8_ERROR_INVALID_DEVICE == 140);
PIN(GGFP8_ERROR_INVALID_M_INDPTR == 150);
PIN(GGFP8_ERROR_INVALID_GROUP_LAYOUT == 151);
PIN(GGFP8_ERROR_INVALID_WORKSPACE == 160);
PIN(GGFP8_ERROR_UNKNOWN_BACKEND == 200);
PIN(GGFP8_ERROR_UNSUPPORTED == 201);
PIN(GGFP8_ERROR_NO_DRIVER == 300);
PIN(GGFP8_ERROR_CUDA == 301);
PIN(GGFP8_ERROR_OUT_OF_HOST_MEMORY == 302);
PIN(GGFP8_ERROR_INTERNAL == 399);

PIN(GGFP8_DTYPE_FLOAT8_E4M3FN == 1);
PIN(GGFP8_DTYPE_FLOAT8_E5M2 == 2);
PIN(GGFP8_DTYPE_BFLOAT16 == 3);
PIN(GGFP8_DTYPE_FLOAT16 == 4);
PIN(GGFP8_DTYPE_FLOAT32 == 5);
PIN(GGFP8_DTYPE_INT32 == 6);
PIN(GGFP8_DTYPE_INT64 == 7);
PIN(GGFP8_GROUPS_INDPTR == 0);
PIN(GGFP8_GROUPS_ENDS == 1);
PIN(GGFP8_GROUPS_COUNTS == 2);
PIN(GGFP8_GROUPS_MASKED == 3);
PIN(GGFP8_SCALE_MAJOR_MN == 1);
PIN(GGFP8_SCALE_MAJOR_K == 2);
PIN(GGFP8_DEVICE_CPU == 1);
PIN(GGFP8_DEVICE_CUDA == 2);
PIN(GGFP8_FLAG_VALIDATE_M_INDPTR == 1u);
PIN(GGFP8_FLAG_OUT_READ_ONLY == 2u);
PIN(GGFP8_FLAG_WORKSPACE_READ_ONLY == 4u);
PIN(GGFP8_DLPACK_INT == 0u);
PIN(GGFP8_DLPACK_UINT == 1u);
PIN(GGFP8_DLPACK_FLOAT == 2u);
PIN(GGFP8_DLPACK_OPAQUE == 3u);
PIN(GGFP8_DLPACK_BFLOAT == 4u);
PIN(GGFP8_DLPACK_FLOAT8_E4M3FN == 10u);
PIN(GGFP8_DLPACK_FLOAT8_E5M2 == 12u);
PIN(GGFP8_DLPACK_CUDA_HOST == 3);
PIN(GGFP8_DLPACK_CUDA_MANAGED == 13);

/* One group of one row: a = 1.0, b = 2.0 in E4M3, k = 16, so that out = 16 * 2 * 3 * 5. */
static uint8_t a[16];
static uint8_t b[8 * 16];
static const float a_scale[1] = {3};
static const float b_scale[1] = {5};
static const int32_t m_indptr[2] = {0, 1};
static float out[8];

static ggfp8_group_gemm_args make_args(void) {
  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  memset(a, 0x38, sizeof a);
  memset(b, 0x40, sizeof b);
  args.a = a;
  args.b = b;
  args.a_scale = a_scale;
  args.b_scale = b_scale;
  args.m_indptr = m_indptr;
  args.out = out;
  args.cum_m = 1;
  args.n = 8;
  args.k = 16;
  args.batch_size = 1;
  args.out_dtype = GGFP8_DTYPE_FLOAT32;
  args.device_type = GGFP8_DEVICE_CPU;
  return args;
}

static void test_init_macros_are_all_defaults(void) {
  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  ggfp8_group_gemm_args zeros;
  ggfp8_group_gemm_options options = GGFP8_GROUP_GEMM_OPTIONS_INIT;
  ggfp8_group_gemm_options zero_options;
  memset(&zeros, 0, sizeof zeros);
  zeros.struct_size = sizeof zeros;
  EXPECT(memcmp(&args, &zeros, sizeof args) == 0);
  memset(&zero_options, 0, sizeof zero_options);
  zero_options.struct_size = sizeof zero_options;
  EXPECT(memcmp(&options, &zero_options, sizeof options) == 0);
}

static void test_constants(void) {
  EXPECT(ggfp8_version() ==
         GGFP8_VERSION_MAJOR * 10000 + GGFP8_VERSION_MINOR * 100 + GGFP8_VERSION_PATCH);
  EXPECT(ggfp8_max_cum_m() == GGFP8_MAX_CUM_M);
  EXPECT(ggfp8_max_n() == GGFP8_MAX_N);
  EXPECT(ggfp8_max_k() == GGFP8_MAX_K);
  EXPECT(ggfp8_max_batch_size() == GGFP8_MAX_BATCH_SIZE);
  EXPECT(ggfp8_workspace_alignment() == GGFP8_WORKSPACE_ALIGNMENT);
  EXPECT(ggfp8_group_gemm_args_size() == sizeof(ggfp8_group_gemm_args));
  EXPECT(ggfp8_group_gemm_options_size() == sizeof(ggfp8_group_gemm_options));
  EXPECT(strcmp(ggfp8_status_string(GGFP8_SUCCESS), "success") == 0);
  EXPECT(ggfp8_status_string(-1) != NULL);
}

static void test_call(void) {
  ggfp8_group_gemm_args args = make_args();
  size_t bytes = 1;
  ggfp8_plan_info plan;
  int col;
  memset(&plan, 0, sizeof plan);
  plan.struct_size = sizeof plan;

  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_group_gemm_workspace_size(&args, &bytes));
  EXPECT(bytes == 0);
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_group_gemm_plan(&args, &plan));
  EXPECT(plan.backend != NULL);
  EXPECT(strcmp(plan.backend, "cpu") == 0 || strcmp(plan.backend, "amx") == 0);
  EXPECT(plan.config != NULL && plan.workspace_bytes == bytes);
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_group_gemm_nt_groupwise(&args, NULL, 0, NULL));
  for (col = 0; col < 8; ++col) EXPECT(out[col] == 16 * 2 * 3 * 5);
}

static ggfp8_tensor make_tensor(const void* data, int32_t ndim, int64_t* shape, unsigned code,
                                int bits) {
  ggfp8_tensor tensor;
  memset(&tensor, 0, sizeof tensor);
  tensor.data = (void*)data;
  tensor.device_type = GGFP8_DEVICE_CPU;
  tensor.ndim = ndim;
  tensor.dtype_code = (uint8_t)code;
  tensor.dtype_bits = (uint8_t)bits;
  tensor.dtype_lanes = 1;
  tensor.shape = shape;
  return tensor;
}

static int64_t a_shape[] = {1, 16}, b_shape[] = {1, 8, 16}, ones[] = {1, 1, 1};
static int64_t m_indptr_shape[] = {2}, out_shape[] = {1, 8};

static void test_call_with_tensors(void) {
  ggfp8_group_gemm_args args = make_args();
  const ggfp8_tensor ta = make_tensor(a, 2, a_shape, GGFP8_DLPACK_FLOAT8_E4M3FN, 8);
  const ggfp8_tensor tb = make_tensor(b, 3, b_shape, GGFP8_DLPACK_FLOAT8_E4M3FN, 8);
  const ggfp8_tensor tsa = make_tensor(a_scale, 2, ones, GGFP8_DLPACK_FLOAT, 32);
  const ggfp8_tensor tsb = make_tensor(b_scale, 3, ones, GGFP8_DLPACK_FLOAT, 32);
  const ggfp8_tensor tm = make_tensor(m_indptr, 1, m_indptr_shape, GGFP8_DLPACK_INT, 32);
  const ggfp8_tensor tout = make_tensor(out, 2, out_shape, GGFP8_DLPACK_FLOAT, 32);
  ggfp8_group_gemm_args from_tensors = GGFP8_GROUP_GEMM_ARGS_INIT;
  int32_t device_type = 0, device_id = -1;
  int col;
  memset(out, 0, sizeof out);
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_group_gemm_nt_groupwise_tensors(&ta, &tb, &tsa, &tsb, &tm,
                                                                     &tout, NULL, NULL, NULL));
  for (col = 0; col < 8; ++col) EXPECT(out[col] == 16 * 2 * 3 * 5);
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_group_gemm_args_from_tensors(&ta, &tb, &tsa, &tsb, &tm, &tout,
                                                                  NULL, &from_tensors));
  EXPECT(from_tensors.a == args.a && from_tensors.out == args.out && from_tensors.k == args.k);
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_pointer_device(a, &device_type, &device_id));
  EXPECT(device_type == GGFP8_DEVICE_CPU && device_id == 0);
}

/* A language whose tuple is an array of pointers to tensors, and whose lock is a number. */
static int is_locked = 1, num_unlocks = 0;

static int describe(void* object, ggfp8_tensor* tensor) {
  EXPECT(is_locked == 1);
  if (object == NULL) return -1;
  *tensor = *(const ggfp8_tensor*)object;
  return 0;
}

static void* item(void* tuple, ptrdiff_t idx) {
  EXPECT(is_locked == 1);
  return ((void**)tuple)[idx];
}

/* Device 0 has a stream, other devices have none. */
static int num_streams = 0;

static int current_stream(int device_type, int32_t device_id, void** stream) {
  EXPECT(is_locked == 1 && device_type == GGFP8_DEVICE_CUDA);
  ++num_streams;
  *stream = &num_streams;
  return device_id;
}

static void* unlock(void) {
  is_locked = 0;
  ++num_unlocks;
  return &is_locked;
}

static void lock(void* state) {
  EXPECT(state == &is_locked && is_locked == 0);
  is_locked = 1;
}

static void test_call_with_objects(void) {
  ggfp8_object_reader reader = {describe, item, current_stream, unlock, lock, 0};
  ggfp8_tensor ta = make_tensor(a, 2, a_shape, GGFP8_DLPACK_FLOAT8_E4M3FN, 8);
  ggfp8_tensor tb = make_tensor(b, 3, b_shape, GGFP8_DLPACK_FLOAT8_E4M3FN, 8);
  ggfp8_tensor tsa = make_tensor(a_scale, 2, ones, GGFP8_DLPACK_FLOAT, 32);
  ggfp8_tensor tsb = make_tensor(b_scale, 3, ones, GGFP8_DLPACK_FLOAT, 32);
  ggfp8_tensor tm = make_tensor(m_indptr, 1, m_indptr_shape, GGFP8_DLPACK_INT, 32);
  ggfp8_tensor tout = make_tensor(out, 2, out_shape, GGFP8_DLPACK_FLOAT, 32);
  void* tuple[6];
  int col, idx;
  tuple[0] = &ta, tuple[1] = &tb, tuple[2] = &tsa, tuple[3] = &tsb, tuple[4] = &tm,
  tuple[5] = &tout;
  memset(out, 0, sizeof out);
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_group_gemm_nt_groupwise_objects(&reader, tuple, NULL));
  for (col = 0; col < 8; ++col) EXPECT(out[col] == 16 * 2 * 3 * 5);
  EXPECT(is_locked == 1 && num_unlocks == 1 && num_streams == 0);

  memset(out, 0, sizeof out);
  ta.ndim = 1; /* an error of the product, which runs unlocked */
  EXPECT_STATUS(GGFP8_ERROR_INVALID_SHAPE,
                ggfp8_group_gemm_nt_groupwise_objects(&reader, tuple, NULL));
  EXPECT(strstr(ggfp8_last_error(), "a: got shape (1,)") != NULL);
  EXPECT(is_locked == 1 && num_unlocks == 2);
  ta.ndim = 2;
  for (idx = 0; idx < 6; ++idx) { /* errors of the reader */
    void* const object = tuple[idx];
    tuple[idx] = NULL;
    EXPECT_STATUS(GGFP8_ERROR_INVALID_ARGUMENT,
                  ggfp8_group_gemm_nt_groupwise_objects(&reader, tuple, NULL));
    tuple[idx] = object;
  }
  tout.data = (void*)(uintptr_t)64;
  reader.lowest_data = 65;
  EXPECT_STATUS(GGFP8_ERROR_INVALID_ARGUMENT,
                ggfp8_group_gemm_nt_groupwise_objects(&reader, tuple, NULL));
  EXPECT(strstr(ggfp8_last_error(), "object 5: got data at 0x40") != NULL);
  EXPECT(is_locked == 1 && num_unlocks == 2 && out[0] == 0);

  tout.data = out;
  ta.device_type = GGFP8_DEVICE_CUDA; /* the arrays' devices differ, and are compared unlocked */
  EXPECT_STATUS(GGFP8_ERROR_INVALID_DEVICE,
                ggfp8_group_gemm_nt_groupwise_objects(&reader, tuple, NULL));
  EXPECT(is_locked == 1 && num_unlocks == 3 && num_streams == 1);
  ta.device_id = 1;
  EXPECT_STATUS(GGFP8_ERROR_INVALID_ARGUMENT,
                ggfp8_group_gemm_nt_groupwise_objects(&reader, tuple, NULL));
  EXPECT(strstr(ggfp8_last_error(), "object 0: got device cuda:1") != NULL);
  EXPECT(is_locked == 1 && num_unlocks == 3 && num_streams == 2);
}

static void test_errors_leave_out_untouched(void) {
  ggfp8_group_gemm_args args = make_args();
  memset(out, 0xff, sizeof out);
  args.n = 9;
  EXPECT_STATUS(GGFP8_ERROR_INVALID_SHAPE, ggfp8_group_gemm_nt_groupwise(&args, NULL, 0, NULL));
  EXPECT(strstr(ggfp8_last_error(), "n: got 9") != NULL);
  EXPECT(((const unsigned char*)out)[0] == 0xff);
  EXPECT_STATUS(GGFP8_ERROR_INVALID_ARGUMENT, ggfp8_group_gemm_nt_groupwise(NULL, NULL, 0, NULL));
  EXPECT_STATUS(GGFP8_ERROR_INVALID_ARGUMENT, ggfp8_group_gemm_workspace_size(&args, NULL));
}

static void test_backends(void) {
  ggfp8_group_gemm_args args = make_args();
  const int32_t num_backends = ggfp8_num_backends();
  EXPECT(num_backends >= 1);
  EXPECT(strcmp(ggfp8_backend_name(num_backends - 1), "cpu") == 0);
  EXPECT(ggfp8_backend_name(num_backends) == NULL);
  EXPECT(ggfp8_backend_name(-1) == NULL);
  EXPECT(ggfp8_backend_config_name(num_backends, 0) == NULL);
  EXPECT(ggfp8_environment_backend() != NULL);
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_backend_supports("cpu", &args));
  EXPECT_STATUS(GGFP8_ERROR_UNKNOWN_BACKEND, ggfp8_backend_supports("none", &args));
  args.backend = "none";
  EXPECT_STATUS(GGFP8_ERROR_UNKNOWN_BACKEND, ggfp8_group_gemm_nt_groupwise(&args, NULL, 0, NULL));
}

static void test_devices(void) {
  ggfp8_device_info info;
  int32_t count = -1;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_device_count(GGFP8_DEVICE_CPU, &count));
  EXPECT(count == 1);
  EXPECT_STATUS(GGFP8_SUCCESS, ggfp8_device_query(GGFP8_DEVICE_CPU, 0, &info));
  EXPECT(info.name[0] != '\0' && info.num_processors >= 1);
  EXPECT(info.compute_major == 0 && info.compute_minor == 0);
  EXPECT_STATUS(GGFP8_ERROR_INVALID_DEVICE, ggfp8_device_query(GGFP8_DEVICE_CPU, 1, &info));
  EXPECT_STATUS(GGFP8_ERROR_INVALID_DEVICE, ggfp8_device_count(99, &count));
  EXPECT(count == 0);
}

/* A call frame starts with its size and an extension; this one asks for nothing but metadata. */
static void test_xla_handlers_tell_their_version(void) {
  void* (*const handlers[])(void*) = {ggfp8_xla_ffi_cpu, ggfp8_xla_ffi_cpu_validate,
                                      ggfp8_xla_ffi_cuda, ggfp8_xla_ffi_cuda_validate};
  size_t idx;
  for (idx = 0; idx < sizeof handlers / sizeof handlers[0]; ++idx) {
    struct {
      size_t size, version_size;
      void* version_extensions;
      int major, minor;
      uint32_t traits;
    } metadata = {0, 0, NULL, -1, -1, 7};
    struct {
      size_t size;
      int32_t type;
      void* next;
      void* metadata;
    } extension = {sizeof extension, 1, NULL, NULL};
    void* frame[32] = {NULL};
    extension.metadata = &metadata;
    frame[1] = &extension;
    EXPECT(handlers[idx](frame) == NULL);
    EXPECT(metadata.major == 0 && metadata.minor == 1);
    EXPECT(metadata.traits == (idx == 2 ? 1u : 0u));
  }
}

int main(void) {
  EXPECT(ggfp8_last_error()[0] == '\0');
  test_init_macros_are_all_defaults();
  test_constants();
  test_call();
  test_call_with_tensors();
  test_call_with_objects();
  test_errors_leave_out_untouched();
  test_backends();
  test_devices();
  test_xla_handlers_tell_their_version();
  return num_failures;
}
