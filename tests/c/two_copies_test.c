/*
 * Two copies of the library in one process, as where a program links one and a Python package
 * brings another. This program has functions of the same names, which the loader finds first; the
 * library, loaded by its path, must not call them.
 *
 *   two_copies_test PATH_OF_LIBRARY
 */
#include <dlfcn.h>
#include <groupgemm_fp8/groupgemm_fp8.h>
#include <stdio.h>
#include <string.h>

#include "expect.h"

static int num_strayed;

int32_t ggfp8_group_gemm_nt_groupwise(const ggfp8_group_gemm_args* args, void* workspace,
                                      size_t workspace_bytes, void* stream) {
  (void)args, (void)workspace, (void)workspace_bytes, (void)stream;
  ++num_strayed;
  return GGFP8_ERROR_INTERNAL;
}

int32_t ggfp8_group_gemm_nt_groupwise_tensors(
    const ggfp8_tensor* a, const ggfp8_tensor* b, const ggfp8_tensor* a_scale,
    const ggfp8_tensor* b_scale, const ggfp8_tensor* m_indptr, const ggfp8_tensor* out,
    const ggfp8_tensor* workspace, const ggfp8_group_gemm_options* options, void* stream) {
  (void)a, (void)b, (void)a_scale, (void)b_scale, (void)m_indptr, (void)out, (void)workspace;
  (void)options, (void)stream;
  ++num_strayed;
  return GGFP8_ERROR_INTERNAL;
}

const char* ggfp8_last_error(void) {
  ++num_strayed;
  return "strayed";
}

typedef int32_t (*tensors_function)(const ggfp8_tensor*, const ggfp8_tensor*, const ggfp8_tensor*,
                                    const ggfp8_tensor*, const ggfp8_tensor*, const ggfp8_tensor*,
                                    const ggfp8_tensor*, const ggfp8_group_gemm_options*, void*);

/* One group of one row: a = 1.0, b = 2.0 in E4M3, k = 16, so that out = 16 * 2. */
static void test_call(tensors_function call) {
  uint8_t a[16], b[8 * 16];
  float scale[1] = {1}, out[8] = {0};
  int32_t m_indptr[2] = {0, 1};
  int64_t a_shape[] = {1, 16}, b_shape[] = {1, 8, 16}, ones[] = {1, 1, 1}, two[] = {2};
  int64_t out_shape[] = {1, 8};
  ggfp8_tensor tensors[6];
  memset(a, 0x38, sizeof a);
  memset(b, 0x40, sizeof b);
  memset(tensors, 0, sizeof tensors);
#define SET(idx, address, rank, code, bits, sizes)                                        \
  tensors[idx].data = address, tensors[idx].device_type = GGFP8_DEVICE_CPU,               \
  tensors[idx].ndim = rank, tensors[idx].dtype_code = code, tensors[idx].dtype_lanes = 1, \
  tensors[idx].dtype_bits = bits, tensors[idx].shape = sizes
  SET(0, a, 2, GGFP8_DLPACK_FLOAT8_E4M3FN, 8, a_shape);
  SET(1, b, 3, GGFP8_DLPACK_FLOAT8_E4M3FN, 8, b_shape);
  SET(2, scale, 2, GGFP8_DLPACK_FLOAT, 32, ones);
  SET(3, scale, 3, GGFP8_DLPACK_FLOAT, 32, ones);
  SET(4, m_indptr, 1, GGFP8_DLPACK_INT, 32, two);
  SET(5, out, 2, GGFP8_DLPACK_FLOAT, 32, out_shape);
  EXPECT(call(&tensors[0], &tensors[1], &tensors[2], &tensors[3], &tensors[4], &tensors[5], NULL,
              NULL, NULL) == GGFP8_SUCCESS);
  EXPECT(out[0] == 32 && out[7] == 32);
}

int main(int argc, char** argv) {
  void* library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  tensors_function call = NULL;
  if (library == NULL) {
    fprintf(stderr, "usage: two_copies_test PATH_OF_LIBRARY\n");
    return 1;
  }
  *(void**)&call = dlsym(library, "ggfp8_group_gemm_nt_groupwise_tensors");
  EXPECT(call != NULL);
  if (call != NULL) test_call(call);
  EXPECT(num_strayed == 0);
  return num_failures;
}
