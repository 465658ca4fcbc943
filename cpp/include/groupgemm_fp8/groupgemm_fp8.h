/*
 * groupgemm_fp8: grouped FP8 matrix products with groupwise scales.
 *
 * For group g and its rows r, which are [m_indptr[g], m_indptr[g + 1]) or those of another group
 * layout (GGFP8_GROUPS_*):
 *
 *     out[r, j] = cast( sum over k-blocks kb of
 *                       a_scale(r, kb) * b_scale(g, j, kb) *
 *                       sum over k in kb of a[r, k] * b[g, j, k] )
 *
 * a and b hold FP8 values, the scales are float32, the outer sum is float32, and the cast
 * rounds to nearest even. The order of the outer sum is fixed: k-blocks ascend, and each block
 * adds acc = fma(a_scale * b_scale, block_sum, acc). A result row depends only on its own row
 * of a, its scales, its group's b and b_scale, and the backend.
 *
 * The simple use is one call:
 *
 *     ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
 *     args.a = a; args.b = b; args.a_scale = sa; args.b_scale = sb;
 *     args.m_indptr = m_indptr; args.out = out;
 *     args.cum_m = cum_m; args.n = n; args.k = k; args.batch_size = groups;
 *     int32_t status = ggfp8_group_gemm_nt_groupwise(&args, NULL, 0, stream);
 *     if (status != GGFP8_SUCCESS) fprintf(stderr, "%s\n", ggfp8_last_error());
 *
 * Rules that hold for every function:
 *   - Sizes and strides are counted in elements unless a name ends in _bytes.
 *   - A zero in a struct member means its default.
 *   - The result is a status (0 is success) and ggfp8_last_error() explains the last failure.
 *   - All functions may be called from any thread at any time, the first call included.
 *   - Nothing is printed, thrown or aborted; the caller's current device is restored.
 *   - A thread that is cancelled in a call ends after the call (if cancellation is deferred, which
 *     is the default).
 *   - A process may fork during calls of its threads; the child may make calls on host memory.
 *   - The library stays loaded until the process ends, also after dlclose().
 *   - The library owns no device memory and never synchronises a stream, except where
 *     GGFP8_FLAG_VALIDATE_M_INDPTR asks for it.
 *   - No CUDA header is needed: a stream is the cudaStream_t passed as void*.
 *
 * Environment variables, read once, by the first call that needs one of them, and anew by
 * ggfp8_reload_environment(). An empty one counts as none, and a bad value is an error that names
 * the variable.
 *   GGFP8_BACKEND      backend to use where args->backend is NULL, written as there
 *   GGFP8_NUM_THREADS  most threads of a call on the CPU; default: the usable processors, at
 *                      most what a container's quota of CPU time is worth
 *   GGFP8_CPU_ISA      portable, neon, avx2 or avx512: instruction set of the cpu backend; default:
 *                      the widest that the processor has. It never changes a result.
 *
 * Source of the operation: FlashInfer's flashinfer.gemm.group_gemm_fp8_nt_groupwise.
 */
#ifndef GROUPGEMM_FP8_GROUPGEMM_FP8_H_
#define GROUPGEMM_FP8_GROUPGEMM_FP8_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define GGFP8_API
#else
#define GGFP8_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ version */

#define GGFP8_VERSION_MAJOR 0
#define GGFP8_VERSION_MINOR 1
#define GGFP8_VERSION_PATCH 0

/* The version of the library that was loaded: major * 10000 + minor * 100 + patch. */
GGFP8_API int32_t ggfp8_version(void);

/* ------------------------------------------------------------------- status */

/* Values are pinned: they never change meaning and are never reused. */
#define GGFP8_SUCCESS 0

/* 1xx: an argument is wrong. Nothing was enqueued and out is untouched. */
#define GGFP8_ERROR_INVALID_ARGUMENT 100     /* a required pointer is NULL, an unknown flag */
#define GGFP8_ERROR_INVALID_STRUCT_SIZE 101  /* struct_size is below v1 or has unknown content */
#define GGFP8_ERROR_INVALID_DTYPE 110        /* a dtype code is not allowed in this place */
#define GGFP8_ERROR_INVALID_SHAPE 120        /* a size is negative, too large or not a multiple */
#define GGFP8_ERROR_INVALID_STRIDE 121       /* a stride is too small or not a multiple */
#define GGFP8_ERROR_INVALID_ALIGNMENT 122    /* a pointer is not aligned for its element type */
#define GGFP8_ERROR_INVALID_GRANULARITY 130  /* a scale granularity that no backend knows */
#define GGFP8_ERROR_INVALID_SCALE_MAJOR 131  /* neither GGFP8_SCALE_MAJOR_MN nor _K */
#define GGFP8_ERROR_INVALID_MMA_SM 132       /* neither 1 nor 2 */
#define GGFP8_ERROR_INVALID_DEVICE 140       /* unknown device type, or no such device */
#define GGFP8_ERROR_INVALID_M_INDPTR 150     /* found by GGFP8_FLAG_VALIDATE_M_INDPTR */
#define GGFP8_ERROR_INVALID_GROUP_LAYOUT 151 /* unknown, or an argument of another layout */
#define GGFP8_ERROR_INVALID_WORKSPACE 160    /* workspace is NULL, misaligned or too small */

/* 2xx: the request is legal, but no backend takes it. Nothing was enqueued. */
#define GGFP8_ERROR_UNKNOWN_BACKEND 200 /* no backend, or no configuration, of that name */
#define GGFP8_ERROR_UNSUPPORTED 201     /* every backend refused; the message lists the reasons */

/* 3xx: the system failed. */
#define GGFP8_ERROR_NO_DRIVER 300          /* a GPU call, but no CUDA driver or device is usable */
#define GGFP8_ERROR_CUDA 301               /* a CUDA call failed; the message has its name */
#define GGFP8_ERROR_OUT_OF_HOST_MEMORY 302 /* a host allocation or a thread could not be had */
#define GGFP8_ERROR_INTERNAL 399           /* a defect of this library */

/* A short constant English phrase for a status; never NULL, also for unknown values. */
GGFP8_API const char* ggfp8_status_string(int32_t status);

/*
 * One sentence about the last failure on this thread: which argument, what was got, what was
 * wanted. Empty after no failure. Valid until the next call that fails on this thread; a
 * successful call leaves it as it was.
 */
GGFP8_API const char* ggfp8_last_error(void);

/* ---------------------------------------------------------------- constants */

/* Element types. */
#define GGFP8_DTYPE_FLOAT8_E4M3FN 1 /* OCP E4M3: max 448, NaN 0x7F and 0xFF, no infinity */
#define GGFP8_DTYPE_FLOAT8_E5M2 2   /* OCP E5M2: max 57344, with infinities and NaNs */
#define GGFP8_DTYPE_BFLOAT16 3
#define GGFP8_DTYPE_FLOAT16 4
#define GGFP8_DTYPE_FLOAT32 5
#define GGFP8_DTYPE_INT32 6
#define GGFP8_DTYPE_INT64 7

/*
 * Layout of a scale array: which index runs fastest in memory.
 *
 *   +-----------------------------------------------------------------------------------------+
 *   | Nothing can tell the layouts apart where both axes have one size: kb == nb for b_scale, |
 *   | which square weights have, and kb == mb for a_scale. Scales in the other layout are     |
 *   | then taken without an error, and the result is wrong. Checkpoints usually have K.       |
 *   +-----------------------------------------------------------------------------------------+
 */
#define GGFP8_SCALE_MAJOR_MN 1 /* a_scale (kb, mb), b_scale (batch_size, kb, nb) */
#define GGFP8_SCALE_MAJOR_K 2  /* a_scale (mb, kb), b_scale (batch_size, nb, kb) */

/*
 * Group layouts: what the group array v holds, and which rows group g has. A is group_alignment,
 * and up(x) is the least multiple of A that is at least x. The values of a well-formed array are
 * such that rows ascend and lie in [0, cum_m], and every group's first row is a multiple of gm.
 * Row r of a group with first row f has scale row f / gm + (r - f) / gm, wherever the group begins.
 *
 *   INDPTR  batch_size + 1 bounds   rows [v[g], v[g + 1])
 *   ENDS    batch_size ends         rows [up(v[g - 1]), v[g]), with v[-1] = 0; a group without rows
 *                                   may also repeat v[g - 1]
 *   COUNTS  batch_size counts       v[g] rows from row up(v[0]) + ... + up(v[g - 1]) on
 *   MASKED  batch_size counts       the first v[g] of the T rows of slab g: a, a_scale and out are
 *                                   stacks of batch_size slabs, and T is cum_m / batch_size
 */
#define GGFP8_GROUPS_INDPTR 0
#define GGFP8_GROUPS_ENDS 1
#define GGFP8_GROUPS_COUNTS 2
#define GGFP8_GROUPS_MASKED 3

/* Device types, numbered as in DLPack. */
#define GGFP8_DEVICE_CPU 1
#define GGFP8_DEVICE_CUDA 2

/*
 * Reads the group array back and checks that it is as ggfp8_group_gemm_args says. On CUDA this
 * synchronises the stream, so it cannot be used while the stream is being captured. Without the
 * flag the values are clamped on the device: a malformed array leaves the affected rows
 * unspecified and is memory-safe.
 */
#define GGFP8_FLAG_VALIDATE_M_INDPTR 1u

/*
 * For functions that take arrays alone: out or workspace may not be written, which a ggfp8_tensor
 * cannot say (in DLPack it is a flag beside the DLTensor). The call is refused.
 */
#define GGFP8_FLAG_OUT_READ_ONLY 2u
#define GGFP8_FLAG_WORKSPACE_READ_ONLY 4u

/* ------------------------------------------------------------------- limits */

#define GGFP8_MAX_CUM_M 2147483520    /* rows of a and out, those of all slabs together */
#define GGFP8_MAX_N 2147483520        /* columns of out */
#define GGFP8_MAX_K 2147483520        /* inner dimension */
#define GGFP8_MAX_BATCH_SIZE 16777216 /* groups */
#define GGFP8_WORKSPACE_ALIGNMENT 256 /* bytes */

/* Return these limits, for callers that cannot see macros. */
GGFP8_API int64_t ggfp8_max_cum_m(void);
GGFP8_API int64_t ggfp8_max_n(void);
GGFP8_API int64_t ggfp8_max_k(void);
GGFP8_API int64_t ggfp8_max_batch_size(void);
GGFP8_API size_t ggfp8_workspace_alignment(void);

/* ---------------------------------------------------------------- arguments */

/*
 * Below, gm, gn, gk are the scale granularities; mb = ceil(cum_m / gm), nb = ceil(n / gn) and
 * kb = ceil(k / gk) are the numbers of scale blocks. All arrays live on the device that
 * device_type and device_id name, belong to the caller, and must stay alive until the stream has
 * passed the call. Where an array has no elements its pointer may be NULL.
 *
 * With GGFP8_GROUPS_MASKED every group has a slab of its own of a, a_scale and out: shapes below
 * are then those of one slab, with T in place of cum_m.
 *
 * The struct only grows at its end. struct_size tells which members the caller knows: members
 * past it count as zero; a larger struct is accepted while its unknown tail is all zero.
 */
typedef struct ggfp8_group_gemm_args {
  size_t struct_size; /* sizeof(ggfp8_group_gemm_args) as the caller was compiled */

  const void* a;           /* (cum_m, k) FP8, inner stride 1, any address */
  const void* b;           /* (batch_size, n, k) FP8, inner stride 1, any address */
  const float* a_scale;    /* MN: (kb, mb), K: (mb, kb); row r belongs to scale row r / gm */
  const float* b_scale;    /* MN: (batch_size, kb, nb), K: (batch_size, nb, kb) */
  const int32_t* m_indptr; /* (batch_size + 1): first row of each group, then the last one's end.
                              The bounds do not decrease and lie in [0, cum_m]; they need not start
                              at 0 or end at cum_m. They are multiples of gm. Other group arrays
                              are given as groups, and this is NULL */
  void* out;               /* (cum_m, n), inner stride 1, aligned to its element; written only in
                              the rows of groups, never read */

  int64_t cum_m;      /* rows of a and out, 0 to GGFP8_MAX_CUM_M; of all slabs together, a multiple
                         of batch_size then */
  int64_t n;          /* a multiple of 8, 0 to GGFP8_MAX_N */
  int64_t k;          /* a multiple of 16, 0 to GGFP8_MAX_K; k = 0 writes zeros */
  int64_t batch_size; /* groups, 0 to GGFP8_MAX_BATCH_SIZE */

  /* Distances between neighbours in memory, in elements; 0 means dense. */
  int64_t a_row_stride;         /* >= k, a multiple of 16 */
  int64_t b_row_stride;         /* >= k, a multiple of 16 */
  int64_t b_group_stride;       /* >= n * b_row_stride, a multiple of 16 */
  int64_t out_row_stride;       /* >= n */
  int64_t a_scale_stride;       /* between the slow index's steps: MN >= mb, K >= kb */
  int64_t b_scale_stride;       /* between the slow index's steps in a group: MN >= nb, K >= kb */
  int64_t b_scale_group_stride; /* between groups: MN >= kb * b_scale_stride, K >= nb * it */

  int32_t a_dtype;   /* GGFP8_DTYPE_FLOAT8_*; 0 means E4M3FN */
  int32_t b_dtype;   /* GGFP8_DTYPE_FLOAT8_*, independent of a_dtype; 0 means E4M3FN */
  int32_t out_dtype; /* GGFP8_DTYPE_BFLOAT16 (also 0), _FLOAT16 or _FLOAT32 */

  int32_t scale_granularity_m; /* gm: 1 or 128; 0 means 1 */
  int32_t scale_granularity_n; /* gn: 1, 64 or 128; 0 means 128 */
  int32_t scale_granularity_k; /* gk: 32, 64, 96 or 128; 0 means 128 */
  int32_t scale_major;         /* GGFP8_SCALE_MAJOR_* of a_scale and b_scale; 0 means MN */
  int32_t mma_sm;              /* 1 or 2 SMs per tcgen05 instruction on data-center Blackwell;
                                  without effect on the result elsewhere; 0 means 1 */
  int32_t device_type;         /* GGFP8_DEVICE_*; 0 means CUDA */
  int32_t device_id;           /* CUDA ordinal; 0 for the CPU */
  uint32_t flags;              /* GGFP8_FLAG_* */
  uint32_t reserved;           /* must be 0 */

  const char* backend; /* name of the backend to use; NULL means the value of the environment
                          variable GGFP8_BACKEND, and without it the first that supports the
                          call. A slash and a name that ggfp8_backend_config_name returns may
                          follow, "sm90/128x128": the backend then runs that configuration instead
                          of choosing one. For tuning: no configuration changes a result */

  int32_t b_scale_major; /* GGFP8_SCALE_MAJOR_* of b_scale; 0 means that of scale_major */

  /* The groups, where they are not in an m_indptr of int32. */
  int32_t group_layout;    /* GGFP8_GROUPS_* */
  const void* groups;      /* the group array; NULL: m_indptr is the group array */
  int32_t group_dtype;     /* of groups: GGFP8_DTYPE_INT32 (also 0) or GGFP8_DTYPE_INT64 */
  int32_t group_alignment; /* ENDS, COUNTS: groups start at multiples of it; 0 means 1 */

  /* MASKED: distances between the slabs of neighbouring groups, in elements; 0 means dense. Slabs
     may interleave; those of out must not overlap. */
  int64_t a_group_stride;       /* a multiple of 16; dense: T * a_row_stride */
  int64_t out_group_stride;     /* dense: T * out_row_stride */
  int64_t a_scale_group_stride; /* dense: MN: kb * a_scale_stride, K: mb * a_scale_stride */
  int64_t expected_m; /* MASKED: rows of a group on average, about, which chooses the tile and never
                         the result; 0: unknown */
} ggfp8_group_gemm_args;

/* clang-format off */
#define GGFP8_GROUP_GEMM_ARGS_INIT            \
  { sizeof(ggfp8_group_gemm_args),            \
    NULL, NULL, NULL, NULL, NULL, NULL,       \
    0, 0, 0, 0,                               \
    0, 0, 0, 0, 0, 0, 0,                      \
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0u, 0u,     \
    NULL,                                     \
    0, 0, NULL, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/* sizeof(ggfp8_group_gemm_args) as this library was compiled. */
GGFP8_API size_t ggfp8_group_gemm_args_size(void);

/* ------------------------------------------------------------------ tensors */

/* Some of DLPack's dtype codes, and of its device types besides GGFP8_DEVICE_*. */
#define GGFP8_DLPACK_INT 0u
#define GGFP8_DLPACK_UINT 1u
#define GGFP8_DLPACK_FLOAT 2u
#define GGFP8_DLPACK_OPAQUE 3u
#define GGFP8_DLPACK_BFLOAT 4u
#define GGFP8_DLPACK_FLOAT8_E4M3FN 10u
#define GGFP8_DLPACK_FLOAT8_E5M2 12u
#define GGFP8_DLPACK_CUDA_HOST 3     /* pinned host memory, which counts as CPU */
#define GGFP8_DLPACK_CUDA_MANAGED 13 /* managed memory, which counts as CUDA */

/*
 * An array with its shape, for the functions whose names end in _tensors. The layout is that of
 * DLPack's DLTensor (dlpack.h, version 1): a DLTensor* may be cast to a pointer to this struct.
 *
 * The array, and what shape and strides point to, belong to the caller. A caller that cannot take
 * addresses may set shape to NULL and place the sizes, and after them the strides, directly after
 * the struct in memory: int64_t[ndim] twice.
 */
typedef struct ggfp8_tensor {
  void* data;           /* the first element lies byte_offset bytes after data; NULL is allowed
                           where the array has no elements */
  int32_t device_type;  /* GGFP8_DEVICE_*, or one of the two above */
  int32_t device_id;    /* CUDA ordinal; 0 for the CPU */
  int32_t ndim;         /* number of axes */
  uint8_t dtype_code;   /* GGFP8_DLPACK_*, DLPack's DLDataTypeCode */
  uint8_t dtype_bits;   /* bits of an element */
  uint16_t dtype_lanes; /* 1 */
  int64_t* shape;       /* ndim sizes, or NULL, see above */
  int64_t* strides;     /* ndim steps in elements; NULL where shape is not: dense, row-major */
  uint64_t byte_offset; /* bytes from data to the first element */
} ggfp8_tensor;

/* Options of a product of arrays. The struct only grows at its end. */
typedef struct ggfp8_group_gemm_options {
  size_t struct_size;  /* sizeof(ggfp8_group_gemm_options) as the caller was compiled */
  const char* backend; /* this and the next five: as in ggfp8_group_gemm_args */
  int32_t scale_granularity_m;
  int32_t scale_granularity_n;
  int32_t scale_granularity_k;
  int32_t scale_major;
  int32_t mma_sm;
  int32_t a_dtype;       /* GGFP8_DTYPE_FLOAT8_* of an a of bytes: int8, uint8 or opaque of 8 bits;
                            0: the array says it itself */
  int32_t b_dtype;       /* the same for b */
  int32_t out_dtype;     /* the type that out must have, 0: any; without out the type of the one
                            that is assumed, 0: bfloat16 */
  uint32_t flags;        /* GGFP8_FLAG_* */
  int32_t b_scale_major; /* this and the next three: as in ggfp8_group_gemm_args */
  int32_t group_layout;
  int32_t group_alignment;
  int64_t expected_m;
} ggfp8_group_gemm_options;

/* clang-format off */
#define GGFP8_GROUP_GEMM_OPTIONS_INIT        \
  { sizeof(ggfp8_group_gemm_options), NULL,  \
    0, 0, 0, 0, 0, 0, 0, 0, 0u, 0, 0, 0, 0 }
/* clang-format on */

/* sizeof(ggfp8_group_gemm_options) as this library was compiled. */
GGFP8_API size_t ggfp8_group_gemm_options_size(void);

/* --------------------------------------------------------------- operations */

/*
 * Computes the grouped product. On CUDA the work is enqueued on stream (a cudaStream_t; NULL is
 * the legacy default stream) and the call returns at once; it is legal while the stream is being
 * captured, also as the first call of the process. On the CPU it returns when out is complete.
 *
 * workspace       device memory of at least the size that ggfp8_group_gemm_workspace_size gives,
 *                 aligned to GGFP8_WORKSPACE_ALIGNMENT; any content; may be NULL where that is 0
 * workspace_bytes size of workspace
 *
 * Errors: any status above.
 */
GGFP8_API int32_t ggfp8_group_gemm_nt_groupwise(const ggfp8_group_gemm_args* args, void* workspace,
                                                size_t workspace_bytes, void* stream);

/*
 * Writes to *bytes the workspace this call needs. The size depends on args (sizes, types,
 * backend and pointer alignment; not on array contents) and the device alone.
 * Errors: 1xx, 2xx, GGFP8_ERROR_NO_DRIVER.
 */
GGFP8_API int32_t ggfp8_group_gemm_workspace_size(const ggfp8_group_gemm_args* args, size_t* bytes);

/*
 * The same product of arrays with shapes and types, which are checked first: rank, shape, type,
 * strides, alignment, device, write access. Sentences name the array. Shapes and types are those of
 * ggfp8_group_gemm_args; the arrays are on one device. An axis of one element has no stride; else
 * the last axis has stride 1, and the others have positive ones. No byte of out may be a byte of
 * another array; rows of out may lie between rows of another array of the same row pitch.
 *
 * a_scale           The major says which axis is which; either of the last two axes may be the one
 *                   with stride 1: a view whose axes were swapped goes in as it is.
 *
 * groups            The group array that options->group_layout names, of int32 or int64. Sentences
 *                   call it m_indptr, m_ends or m_counts.
 *
 * a, a_scale, out   With GGFP8_GROUPS_MASKED they have an axis of groups before the others: a is
 *                   (batch_size, T, k), out (batch_size, T, n) and a_scale (batch_size, kb, mb) for
 *                   MN or (batch_size, mb, kb) for K.
 *
 * workspace         NULL, or one contiguous axis of int8, uint8 or opaque bytes, at any address.
 *                   The part from its first multiple of GGFP8_WORKSPACE_ALIGNMENT on is used, so
 *                   that the size of ggfp8_group_gemm_workspace_size plus GGFP8_WORKSPACE_ALIGNMENT
 *                   always suffices.
 *
 * options           NULL means defaults.
 *
 * Errors: any status above. GGFP8_ERROR_INVALID_WORKSPACE for a workspace that is missing or too
 * small comes after every other check but that of the contents of the group array.
 */
GGFP8_API int32_t ggfp8_group_gemm_nt_groupwise_tensors(
    const ggfp8_tensor* a, const ggfp8_tensor* b, const ggfp8_tensor* a_scale,
    const ggfp8_tensor* b_scale, const ggfp8_tensor* groups, const ggfp8_tensor* out,
    const ggfp8_tensor* workspace, const ggfp8_group_gemm_options* options, void* stream);

/*
 * Functions with which this library reads a tuple of arrays that belongs to an interpreter, Python
 * for example. None of them may be NULL. Where one fails, it returns another value than 0 and
 * leaves an error in the interpreter.
 *
 * describe     Describes an array; returns 0. DLPack's exchange table of a framework calls this
 *              function dltensor_from_py_object_no_sync.
 * item         Returns object idx of a tuple: PyTuple_GetItem. The caller holds the tuple in the
 *              call and no thread can change a tuple, so a borrowed reference suffices, in a
 *              Python without a global lock, too.
 * current_stream
 *              Stores the stream on which the framework works on a CUDA device; returns 0.
 *              DLPack's exchange table calls this function current_work_stream.
 * unlock, lock Release the interpreter's lock, and take it again with the result of unlock:
 *              PyEval_SaveThread and PyEval_RestoreThread.
 * lowest_data  The least address that an array can have. Some frameworks leave a small number as
 *              the address of an array whose memory they have freed. 0: any address.
 */
typedef struct ggfp8_object_reader {
  int (*describe)(void* object, ggfp8_tensor* tensor);
  void* (*item)(void* tuple, ptrdiff_t idx);
  int (*current_stream)(int device_type, int32_t device_id, void** stream);
  void* (*unlock)(void);
  void (*lock)(void* state);
  uint64_t lowest_data;
} ggfp8_object_reader;

/*
 * The same product of the objects a, b, a_scale, b_scale, groups, out of a tuple, for interpreters
 * in which every call of a C function takes long. It runs on the framework's current stream of the
 * device of a. The caller holds the interpreter's lock before the call and after it; the product
 * itself runs without the lock.
 * Errors: any status above. GGFP8_ERROR_INVALID_ARGUMENT if the reader refuses an object or a
 * device; an error that it has set stays set. GGFP8_ERROR_INVALID_WORKSPACE if a workspace is
 * needed.
 */
GGFP8_API int32_t ggfp8_group_gemm_nt_groupwise_objects(const ggfp8_object_reader* reader,
                                                        void* tuple,
                                                        const ggfp8_group_gemm_options* options);

/*
 * Checks the arrays likewise and fills *args, for ggfp8_group_gemm_workspace_size and the functions
 * below. The caller sets args->struct_size to ggfp8_group_gemm_args_size(), the size of its memory.
 * Without out (NULL) a dense one is assumed, and args->out is an address that is no memory.
 * Reads neither the arrays' contents nor a device. args->backend is that of the options.
 * Errors: 1xx.
 */
GGFP8_API int32_t ggfp8_group_gemm_args_from_tensors(
    const ggfp8_tensor* a, const ggfp8_tensor* b, const ggfp8_tensor* a_scale,
    const ggfp8_tensor* b_scale, const ggfp8_tensor* groups, const ggfp8_tensor* out,
    const ggfp8_group_gemm_options* options, ggfp8_group_gemm_args* args);

/* ------------------------------------------------------------ introspection */

/* Describes what a call would do. Strings are constants of the library. */
typedef struct ggfp8_plan_info {
  size_t struct_size;     /* in: sizeof(ggfp8_plan_info) as the caller was compiled */
  const char* backend;    /* name of the backend that would run */
  const char* config;     /* its kernel configuration, for example a tile shape */
  size_t workspace_bytes; /* as ggfp8_group_gemm_workspace_size */
  int32_t num_workers;    /* CTAs launched, or CPU threads at most */
  int32_t reserved;
  const char* group_layout; /* "indptr", "ends", "counts" or "masked" */
} ggfp8_plan_info;

/*
 * Fills *plan with the backend and configuration that args would take; runs nothing. An empty
 * problem (no output element) has backend and config "none".
 * Errors: as ggfp8_group_gemm_workspace_size.
 */
GGFP8_API int32_t ggfp8_group_gemm_plan(const ggfp8_group_gemm_args* args, ggfp8_plan_info* plan);

/*
 * Reads the environment variables anew, for a program that has changed them after its first call.
 * No other thread may change the environment meanwhile; calls in progress go on as they began.
 * Errors: GGFP8_ERROR_OUT_OF_HOST_MEMORY.
 */
GGFP8_API int32_t ggfp8_reload_environment(void);

/*
 * Returns the value of GGFP8_BACKEND that calls use: the one that was read last, even if the
 * environment has changed since. "" if the variable is not set. Valid for the life of the process.
 */
GGFP8_API const char* ggfp8_environment_backend(void);

/*
 * Backends of this library, in the order in which selection asks them. One that the build left out
 * because it lacked what it takes is listed too, and refuses every call with that reason.
 */
GGFP8_API int32_t ggfp8_num_backends(void);

/* Name of backend idx, or NULL if idx is out of range. */
GGFP8_API const char* ggfp8_backend_name(int32_t idx);

/*
 * Name of configuration idx, among those that calls may ask of backend backend_idx, as plans have
 * it; NULL if either is out of range. Some backends have no configurations to choose from.
 */
GGFP8_API const char* ggfp8_backend_config_name(int32_t backend_idx, int32_t idx);

/*
 * Whether one backend would take args on their device: GGFP8_SUCCESS, or GGFP8_ERROR_UNSUPPORTED
 * with the reason as ggfp8_last_error(). A configuration may follow the name, as in args->backend.
 * args->backend and GGFP8_BACKEND are ignored here.
 * Errors: 1xx, GGFP8_ERROR_UNKNOWN_BACKEND, GGFP8_ERROR_NO_DRIVER.
 */
GGFP8_API int32_t ggfp8_backend_supports(const char* backend, const ggfp8_group_gemm_args* args);

/* Describes a device. */
typedef struct ggfp8_device_info {
  size_t struct_size;    /* in: sizeof(ggfp8_device_info) as the caller was compiled */
  char name[256];        /* product name; for the CPU the instruction set its backend uses */
  int32_t compute_major; /* CUDA compute capability; 0 for the CPU */
  int32_t compute_minor;
  int32_t num_processors; /* streaming multiprocessors, or usable CPU threads */
  int32_t reserved;
  int64_t l2_bytes; /* L2 cache; 0 where unknown */
} ggfp8_device_info;

/*
 * Writes to *count the number of devices of that type: 1 for GGFP8_DEVICE_CPU.
 * Errors: GGFP8_ERROR_INVALID_DEVICE; GGFP8_ERROR_NO_DRIVER with the driver's reason (*count = 0).
 */
GGFP8_API int32_t ggfp8_device_count(int32_t device_type, int32_t* count);

/* Fills *info. Errors: GGFP8_ERROR_INVALID_DEVICE, GGFP8_ERROR_NO_DRIVER, GGFP8_ERROR_CUDA. */
GGFP8_API int32_t ggfp8_device_query(int32_t device_type, int32_t device_id,
                                     ggfp8_device_info* info);

/*
 * Asks CUDA's driver to which device a pointer belongs. Managed memory belongs to the CUDA device
 * that allocated it. Host memory belongs to the CPU, and so does every pointer that the driver does
 * not know, and every pointer in a process that does not use CUDA.
 * Errors: GGFP8_ERROR_INVALID_ARGUMENT if device_type or device_id is NULL.
 */
GGFP8_API int32_t ggfp8_pointer_device(const void* pointer, int32_t* device_type,
                                       int32_t* device_id);

#ifdef __cplusplus
}
#endif

#endif /* GROUPGEMM_FP8_GROUPGEMM_FP8_H_ */
