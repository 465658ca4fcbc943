/*
 * groupgemm_fp8: the steps around the grouped product in a mixture-of-experts layer.
 *
 *     route                          which rows each expert gets
 *     quantize_groupwise             bf16, fp16 or float32 to FP8 and scales, gathering rows
 *     the product                    groupgemm_fp8.h
 *     silu_mul_quantize_groupwise    silu(gate) * up, then as quantize_groupwise
 *     the product
 *     combine                        the weighted sum of each token's rows
 *
 * The rules of groupgemm_fp8.h hold here, too: a zero in a struct member means its default, sizes
 * and strides are counted in elements, the result is a status that ggfp8_last_error() explains.
 * On CUDA (compute capability 8.0 or later) a function enqueues its work on `stream` and returns at
 * once; it never waits, allocates no memory, and is legal while the stream is being captured, also
 * as the first call of the process. With device_type GGFP8_DEVICE_CPU it returns when the work is
 * done. Results are the same bits in every run and do not depend on what else is in the arrays.
 *
 * Functions whose names end in _tensors take arrays with their shapes and types, and check these as
 * ggfp8_group_gemm_nt_groupwise_tensors does, with sentences that name the arrays. Options may be
 * NULL, which means defaults.
 *
 * Arrays must not overlap. Indices are clamped or ignored where they are out of range, so no
 * content of an array leads outside of another array.
 */
#ifndef GROUPGEMM_FP8_MOE_H_
#define GROUPGEMM_FP8_MOE_H_

#include <stddef.h>
#include <stdint.h>

#include <groupgemm_fp8/groupgemm_fp8.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GGFP8_MAX_ROUTED_ROWS 2147483647 /* num_tokens * top_k of a routing */

/* --------------------------------------------------------------- quantise */

/* A block's scale is rounded up to a power of two, from 2^-127 to 2^127: a UE8M0 value. */
#define GGFP8_FLAG_POWER_OF_TWO_SCALES 16u

/* Means for out_scale what GGFP8_FLAG_OUT_READ_ONLY means for out. */
#define GGFP8_FLAG_OUT_SCALE_READ_ONLY 8u

/*
 * Quantises x to FP8 with one float32 scale per block of block_rows x block_k elements:
 *
 *     amax  = the largest magnitude of the block
 *     scale = amax / max_finite of the FP8 type; 1 where amax is 0, 2^-149 where the quotient is 0
 *     out   = x / scale, rounded to the nearest even FP8 value, saturated to finite values
 *
 * Both quotients are float32, rounded once. An infinity counts as the largest float32. A NaN
 * becomes the FP8 NaN 0x7F and does not count in amax. The last blocks may be cut off by the edge.
 *
 * Below, rb = ceil(rows / block_rows) and kb = ceil(k / block_k).
 */
typedef struct ggfp8_quantize_groupwise_args {
  size_t struct_size; /* sizeof(ggfp8_quantize_groupwise_args) as the caller was compiled */

  const void* x;         /* (batch_size, rows, k), inner stride 1; with row_index (x_rows, k) */
  const void* row_index; /* NULL, or (rows): row i of out comes from row row_index[i] of x; where
                            that is no row of x, row i and its scales are left alone */
  void* out;             /* (batch_size, rows, k) FP8, inner stride 1, any address */
  float* scale;          /* MN: (batch_size, kb, rb), K: (batch_size, rb, kb) */

  int64_t batch_size; /* matrices, up to GGFP8_MAX_BATCH_SIZE; 0 means 1; 1 with row_index */
  int64_t rows;       /* rows of a matrix of out, 0 to GGFP8_MAX_CUM_M */
  int64_t k;          /* columns, 0 to GGFP8_MAX_K */
  int64_t x_rows;     /* rows of x, where row_index is not NULL; else 0 */

  /* Distances between neighbours in memory; 0 means dense. */
  int64_t x_row_stride;       /* >= k */
  int64_t x_batch_stride;     /* >= rows * x_row_stride */
  int64_t out_row_stride;     /* >= k */
  int64_t out_batch_stride;   /* >= rows * out_row_stride */
  int64_t scale_stride;       /* between the slow index's steps: MN >= rb, K >= kb */
  int64_t scale_batch_stride; /* MN >= kb * scale_stride, K >= rb * scale_stride */

  int32_t x_dtype;         /* GGFP8_DTYPE_BFLOAT16 (also 0), _FLOAT16 or _FLOAT32 */
  int32_t out_dtype;       /* GGFP8_DTYPE_FLOAT8_*; 0 means E4M3FN */
  int32_t row_index_dtype; /* GGFP8_DTYPE_INT32 (also 0) or _INT64 */
  int32_t block_rows;      /* 1 or 128; 0 means 1; 1 with row_index */
  int32_t block_k;         /* 32, 64, 96 or 128; 0 means 128 */
  int32_t scale_major;     /* GGFP8_SCALE_MAJOR_*; 0 means MN */
  int32_t device_type;     /* GGFP8_DEVICE_*; 0 means CUDA */
  int32_t device_id;       /* CUDA ordinal; 0 for the CPU */
  uint32_t flags;          /* GGFP8_FLAG_POWER_OF_TWO_SCALES */
  uint32_t reserved;       /* must be 0 */

  /* Scattering: each row of x is quantised once, and stored in several rows of out. */
  const int32_t* position;     /* NULL, or (rows, top_k), inner stride 1: row i of x goes to rows
                                  position[i, j] of out; those outside [0, out_rows) are skipped.
                                  Not with row_index; batch_size and block_rows are then 1. A row of
                                  out that several rows go to has parts of any of them */
  int64_t top_k;               /* columns of position; 0 without position */
  int64_t out_rows;            /* rows of out and of scale with position, which need not all be
                                  written; else 0 */
  int64_t position_row_stride; /* >= top_k; 0 means dense */
} ggfp8_quantize_groupwise_args;

/* clang-format off */
#define GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT     \
  { sizeof(ggfp8_quantize_groupwise_args),     \
    NULL, NULL, NULL, NULL,                    \
    0, 0, 0, 0,                                \
    0, 0, 0, 0, 0, 0,                          \
    0, 0, 0, 0, 0, 0, 0, 0, 0u, 0u,            \
    NULL, 0, 0, 0 }
/* clang-format on */

/* sizeof(ggfp8_quantize_groupwise_args) as this library was compiled. */
GGFP8_API size_t ggfp8_quantize_groupwise_args_size(void);

/* Quantises. Errors: 1xx, GGFP8_ERROR_UNSUPPORTED, 3xx. */
GGFP8_API int32_t ggfp8_quantize_groupwise(const ggfp8_quantize_groupwise_args* args, void* stream);

/* Options of a quantisation of arrays. The struct only grows at its end. */
typedef struct ggfp8_quantize_groupwise_options {
  size_t struct_size; /* sizeof(ggfp8_quantize_groupwise_options) */
  int32_t block_rows; /* this and the next two: as in ggfp8_quantize_groupwise_args */
  int32_t block_k;
  int32_t scale_major;
  int32_t out_dtype; /* GGFP8_DTYPE_FLOAT8_* of an out of bytes; 0: the array says it itself */
  uint32_t flags;    /* GGFP8_FLAG_POWER_OF_TWO_SCALES, _OUT_READ_ONLY, _OUT_SCALE_READ_ONLY */
  uint32_t reserved; /* must be 0 */
} ggfp8_quantize_groupwise_options;

/* clang-format off */
#define GGFP8_QUANTIZE_GROUPWISE_OPTIONS_INIT \
  { sizeof(ggfp8_quantize_groupwise_options), 0, 0, 0, 0, 0u, 0u }
/* clang-format on */

/*
 * The same for arrays. x is (rows, k) or (batch_size, rows, k); row_index is (rows of out) or NULL,
 * position (rows of x, top_k) or NULL, and not both are given.
 */
GGFP8_API int32_t ggfp8_quantize_groupwise_tensors(
    const ggfp8_tensor* x, const ggfp8_tensor* row_index, const ggfp8_tensor* position,
    const ggfp8_tensor* out, const ggfp8_tensor* out_scale,
    const ggfp8_quantize_groupwise_options* options, void* stream);

/* -------------------------------------------------- activate and quantise */

/*
 * Computes h from the halves of each row of gate_up, and quantises h as above, in blocks of one
 * row. gate is the first k columns, up the last k:
 *
 *     limit > 0:  gate = min(gate, limit), up = min(max(up, -limit), limit)
 *     alpha = 0:  h = gate / (1 + exp(-gate)) * up
 *     alpha > 0:  h = gate / (1 + exp(-alpha * gate)) * (up + 1)
 *
 * h is float32 throughout, and the only other rounding is the one to FP8. exp and the division may
 * differ between devices by a few units in the last place, which moves a result by at most one FP8
 * value. Where exp(-alpha * gate) is above 2^126, h may be 0.
 */
typedef struct ggfp8_silu_mul_quantize_groupwise_args {
  size_t struct_size; /* sizeof(ggfp8_silu_mul_quantize_groupwise_args) */

  const void* gate_up;     /* (rows, 2 * k), inner stride 1 */
  const int32_t* m_indptr; /* NULL, or (batch_size + 1): rows before m_indptr[0] and from
                              m_indptr[batch_size] on, and their scales, are left alone */
  void* out;               /* (rows, k) FP8, inner stride 1, any address */
  float* scale;            /* MN: (kb, rows), K: (rows, kb) */

  int64_t rows;       /* 0 to GGFP8_MAX_CUM_M */
  int64_t k;          /* 0 to GGFP8_MAX_K / 2 */
  int64_t batch_size; /* groups of m_indptr, 0 to GGFP8_MAX_BATCH_SIZE */

  /* Distances between neighbours in memory; 0 means dense. */
  int64_t gate_up_row_stride; /* >= 2 * k */
  int64_t out_row_stride;     /* >= k */
  int64_t scale_stride;       /* between the slow index's steps: MN >= rows, K >= kb */

  float limit; /* above 0, or 0 for none */
  float alpha; /* above 0, up to 1e30, or 0 for silu */

  int32_t gate_up_dtype; /* GGFP8_DTYPE_BFLOAT16 (also 0), _FLOAT16 or _FLOAT32 */
  int32_t out_dtype;     /* GGFP8_DTYPE_FLOAT8_*; 0 means E4M3FN */
  int32_t block_k;       /* 32, 64, 96 or 128; 0 means 128 */
  int32_t scale_major;   /* GGFP8_SCALE_MAJOR_*; 0 means MN */
  int32_t device_type;   /* GGFP8_DEVICE_*; 0 means CUDA */
  int32_t device_id;     /* CUDA ordinal; 0 for the CPU */
  uint32_t flags;        /* GGFP8_FLAG_POWER_OF_TWO_SCALES */
  uint32_t reserved;     /* must be 0 */
} ggfp8_silu_mul_quantize_groupwise_args;

/* clang-format off */
#define GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_ARGS_INIT     \
  { sizeof(ggfp8_silu_mul_quantize_groupwise_args),     \
    NULL, NULL, NULL, NULL,                             \
    0, 0, 0,                                            \
    0, 0, 0,                                            \
    0.0f, 0.0f,                                         \
    0, 0, 0, 0, 0, 0, 0u, 0u }
/* clang-format on */

/* sizeof(ggfp8_silu_mul_quantize_groupwise_args) as this library was compiled. */
GGFP8_API size_t ggfp8_silu_mul_quantize_groupwise_args_size(void);

/* Activates and quantises. Errors: 1xx, GGFP8_ERROR_UNSUPPORTED, 3xx. */
GGFP8_API int32_t
ggfp8_silu_mul_quantize_groupwise(const ggfp8_silu_mul_quantize_groupwise_args* args, void* stream);

/* Options of the step on arrays. The struct only grows at its end. */
typedef struct ggfp8_silu_mul_quantize_groupwise_options {
  size_t struct_size; /* sizeof(ggfp8_silu_mul_quantize_groupwise_options) */
  float limit;        /* this and the next three: as in the args */
  float alpha;
  int32_t block_k;
  int32_t scale_major;
  int32_t out_dtype; /* GGFP8_DTYPE_FLOAT8_* of an out of bytes; 0: the array says it itself */
  uint32_t flags;    /* GGFP8_FLAG_POWER_OF_TWO_SCALES, _OUT_READ_ONLY, _OUT_SCALE_READ_ONLY */
} ggfp8_silu_mul_quantize_groupwise_options;

/* clang-format off */
#define GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_OPTIONS_INIT \
  { sizeof(ggfp8_silu_mul_quantize_groupwise_options), 0.0f, 0.0f, 0, 0, 0, 0u }
/* clang-format on */

/* Does the step on arrays. m_indptr may be NULL. */
GGFP8_API int32_t ggfp8_silu_mul_quantize_groupwise_tensors(
    const ggfp8_tensor* gate_up, const ggfp8_tensor* m_indptr, const ggfp8_tensor* out,
    const ggfp8_tensor* out_scale, const ggfp8_silu_mul_quantize_groupwise_options* options,
    void* stream);

/* ------------------------------------------------------------------ route */

/*
 * Sorts the pairs (token t, choice j) by the group top_k_index[t, j]. The sort is stable: inside a
 * group the order is that of t, then of j. Pairs whose group is outside [0, batch_size) are left
 * out.
 */
typedef struct ggfp8_route_args {
  size_t struct_size; /* sizeof(ggfp8_route_args) as the caller was compiled */

  const void* top_k_index; /* (num_tokens, top_k), inner stride 1 */
  int32_t* row_index;      /* (num_tokens * top_k): the token of each sorted row; -1 from row
                              m_indptr[batch_size] on */
  int32_t* position;       /* (num_tokens, top_k), dense: the sorted row of each pair, -1 for a pair
                              that was left out */
  int32_t* m_indptr;       /* (batch_size + 1): the first sorted row of each group, then the end */

  int64_t num_tokens; /* num_tokens * top_k: 0 to GGFP8_MAX_ROUTED_ROWS */
  int64_t top_k;
  int64_t batch_size; /* groups, 0 to GGFP8_MAX_BATCH_SIZE; 4096 and fewer are faster on CUDA */

  int64_t top_k_index_row_stride; /* >= top_k; 0 means dense */

  int32_t top_k_index_dtype; /* GGFP8_DTYPE_INT32 (also 0) or _INT64 */
  int32_t device_type;       /* GGFP8_DEVICE_*; 0 means CUDA */
  int32_t device_id;         /* CUDA ordinal; 0 for the CPU */
  uint32_t flags;            /* must be 0 */
} ggfp8_route_args;

/* clang-format off */
#define GGFP8_ROUTE_ARGS_INIT     \
  { sizeof(ggfp8_route_args),     \
    NULL, NULL, NULL, NULL,       \
    0, 0, 0,                      \
    0,                            \
    0, 0, 0, 0u }
/* clang-format on */

/* sizeof(ggfp8_route_args) as this library was compiled. */
GGFP8_API size_t ggfp8_route_args_size(void);

/*
 * Routes. workspace: device memory of at least the size that ggfp8_route_workspace_size gives,
 * aligned to GGFP8_WORKSPACE_ALIGNMENT; any content; may be NULL where that is 0.
 * Errors: 1xx, GGFP8_ERROR_UNSUPPORTED, 3xx.
 */
GGFP8_API int32_t ggfp8_route(const ggfp8_route_args* args, void* workspace, size_t workspace_bytes,
                              void* stream);

/*
 * Writes to *bytes the workspace this call needs. The size depends on the sizes in args and on the
 * device type alone. Errors: 1xx.
 */
GGFP8_API int32_t ggfp8_route_workspace_size(const ggfp8_route_args* args, size_t* bytes);

/*
 * The same for arrays. The number of groups is that of m_indptr's bounds less one. workspace: NULL,
 * or one contiguous axis of bytes at any address, of ggfp8_route_workspace_size plus
 * GGFP8_WORKSPACE_ALIGNMENT bytes. flags: GGFP8_FLAG_WORKSPACE_READ_ONLY or 0.
 */
GGFP8_API int32_t ggfp8_route_tensors(const ggfp8_tensor* top_k_index,
                                      const ggfp8_tensor* row_index, const ggfp8_tensor* position,
                                      const ggfp8_tensor* m_indptr, const ggfp8_tensor* workspace,
                                      uint32_t flags, void* stream);

/* ---------------------------------------------------------------- combine */

/*
 * Sums each token's rows with weights:
 *
 *     acc = +0; for j = 0 to top_k - 1: acc = fma(weight[t, j], x[position[t, j]], acc)
 *     out[t] = acc
 *
 * in float32 with one rounding at the end, to nearest even. A position that is no row of x is
 * skipped with its weight, and a token without rows gets zeros.
 */
typedef struct ggfp8_combine_args {
  size_t struct_size; /* sizeof(ggfp8_combine_args) as the caller was compiled */

  const void* x;           /* (x_rows, k), inner stride 1 */
  const int32_t* position; /* (num_tokens, top_k), inner stride 1 */
  const void* weight;      /* (num_tokens, top_k), inner stride 1 */
  void* out;               /* (num_tokens, k), inner stride 1 */

  int64_t x_rows;     /* 0 to GGFP8_MAX_CUM_M */
  int64_t num_tokens; /* 0 to GGFP8_MAX_CUM_M */
  int64_t top_k;      /* 0 to GGFP8_MAX_CUM_M */
  int64_t k;          /* columns of x and out, 0 to GGFP8_MAX_K */

  /* Distances between rows in memory; 0 means dense. */
  int64_t x_row_stride;        /* >= k */
  int64_t position_row_stride; /* >= top_k */
  int64_t weight_row_stride;   /* >= top_k */
  int64_t out_row_stride;      /* >= k */

  int32_t x_dtype;      /* GGFP8_DTYPE_BFLOAT16 (also 0), _FLOAT16 or _FLOAT32 */
  int32_t weight_dtype; /* the same types; 0 means float32 */
  int32_t out_dtype;    /* the same types; 0 means that of x */
  int32_t device_type;  /* GGFP8_DEVICE_*; 0 means CUDA */
  int32_t device_id;    /* CUDA ordinal; 0 for the CPU */
  uint32_t flags;       /* must be 0 */
} ggfp8_combine_args;

/* clang-format off */
#define GGFP8_COMBINE_ARGS_INIT     \
  { sizeof(ggfp8_combine_args),     \
    NULL, NULL, NULL, NULL,         \
    0, 0, 0, 0,                     \
    0, 0, 0, 0,                     \
    0, 0, 0, 0, 0, 0u }
/* clang-format on */

/* sizeof(ggfp8_combine_args) as this library was compiled. */
GGFP8_API size_t ggfp8_combine_args_size(void);

/* Combines. Errors: 1xx, GGFP8_ERROR_UNSUPPORTED, 3xx. */
GGFP8_API int32_t ggfp8_combine(const ggfp8_combine_args* args, void* stream);

/* Combines arrays. flags: GGFP8_FLAG_OUT_READ_ONLY or 0. */
GGFP8_API int32_t ggfp8_combine_tensors(const ggfp8_tensor* x, const ggfp8_tensor* position,
                                        const ggfp8_tensor* weight, const ggfp8_tensor* out,
                                        uint32_t flags, void* stream);

#ifdef __cplusplus
}
#endif

#endif /* GROUPGEMM_FP8_MOE_H_ */
