#include "api/validate.h"

#include <cinttypes>

#include "api/argument_checks.h"
#include "api/argument_rules.h"
#include "api/group_args.h"
#include "api/sized_struct.h"
#include "api/stride_args.h"
#include "core/math.h"

namespace ggfp8 {
namespace {

using Args = ggfp8_group_gemm_args;

// Codes of the header become enumerators by a cast.
static_assert(static_cast<int32_t>(Dtype::kFloat8E4M3) == GGFP8_DTYPE_FLOAT8_E4M3FN &&
              static_cast<int32_t>(Dtype::kFloat8E5M2) == GGFP8_DTYPE_FLOAT8_E5M2 &&
              static_cast<int32_t>(Dtype::kBFloat16) == GGFP8_DTYPE_BFLOAT16 &&
              static_cast<int32_t>(Dtype::kFloat16) == GGFP8_DTYPE_FLOAT16 &&
              static_cast<int32_t>(Dtype::kFloat32) == GGFP8_DTYPE_FLOAT32);
static_assert(static_cast<int32_t>(ScaleMajor::kMn) == GGFP8_SCALE_MAJOR_MN &&
              static_cast<int32_t>(ScaleMajor::kK) == GGFP8_SCALE_MAJOR_K);
static_assert(static_cast<int32_t>(DeviceType::kCpu) == GGFP8_DEVICE_CPU &&
              static_cast<int32_t>(DeviceType::kCuda) == GGFP8_DEVICE_CUDA);

Status check_size(const char* name, int64_t value, const SizeRule& rule) {
  if (rule.allows(value)) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_SHAPE,
              "%s: got %" PRId64 ", wanted a multiple of %" PRId64 " from 0 to %" PRId64, name,
              value, rule.multiple, rule.limit);
}

Status read_sizes(const Args& args, Problem* problem) {
  if (Status s = check_size("cum_m", args.cum_m, kCumMRule)) return s;
  if (Status s = check_size("n", args.n, kNRule)) return s;
  if (Status s = check_size("k", args.k, kKRule)) return s;
  if (Status s = check_size("batch_size", args.batch_size, kBatchSizeRule)) return s;
  problem->cum_m = args.cum_m;
  problem->n = args.n;
  problem->k = args.k;
  problem->batch_size = args.batch_size;
  problem->num_m_blocks = ceil_div<int64_t>(problem->rows_per_slab(), problem->granularity_m);
  problem->num_n_blocks = ceil_div<int64_t>(args.n, problem->granularity_n);
  problem->num_k_blocks = ceil_div<int64_t>(args.k, problem->granularity_k);
  return kSuccess;
}

Status read_dtypes(const Args& args, Problem* problem) {
  if (Status s = read_fp8_dtype("a_dtype", args.a_dtype, &problem->a_dtype)) return s;
  if (Status s = read_fp8_dtype("b_dtype", args.b_dtype, &problem->b_dtype)) return s;
  return read_float_dtype("out_dtype", args.out_dtype, Dtype::kBFloat16, &problem->out_dtype);
}

int32_t value_or(int32_t value, int32_t fallback) {
  return value == 0 ? fallback : value;
}

Status read_granularity(const Args& args, Problem* problem) {
  const int32_t gm = value_or(args.scale_granularity_m, 1);
  const int32_t gn = value_or(args.scale_granularity_n, 128);
  const int32_t gk = value_or(args.scale_granularity_k, 128);
  const bool legal_m = gm == 1 || gm == 128;
  const bool legal_n = gn == 1 || gn == 64 || gn == 128;
  const bool legal_k = gk > 0 && gk <= 128 && gk % 32 == 0;
  if (!legal_m || !legal_n || !legal_k) {
    return fail(GGFP8_ERROR_INVALID_GRANULARITY,
                "scale_granularity_mnk: got (%d, %d, %d), wanted m in {1, 128}, n in {1, 64, 128}, "
                "k in {32, 64, 96, 128}",
                gm, gn, gk);
  }
  problem->granularity_m = gm;
  problem->granularity_n = gn;
  problem->granularity_k = gk;
  return kSuccess;
}

Status read_modes(const Args& args, Problem* problem) {
  if (Status s = read_scale_major("scale_major", args.scale_major, &problem->sfa_major)) {
    return s;
  }
  const int32_t b_major = value_or(args.b_scale_major, args.scale_major);
  if (Status s = read_scale_major("b_scale_major", b_major, &problem->sfb_major)) return s;

  problem->mma_sm = value_or(args.mma_sm, 1);
  if (problem->mma_sm != 1 && problem->mma_sm != 2) {
    return fail(GGFP8_ERROR_INVALID_MMA_SM, "mma_sm: got %d, wanted 1 or 2", args.mma_sm);
  }
  if (Status s = check_flags(args.flags, GGFP8_FLAG_VALIDATE_M_INDPTR)) return s;
  problem->validate_groups = (args.flags & GGFP8_FLAG_VALIDATE_M_INDPTR) != 0;
  problem->backend = args.backend;
  return kSuccess;
}

Status read_device(const Args& args, Problem* problem) {
  if (Status s = read_device_type(args.device_type, &problem->device_type)) return s;
  problem->device_id = args.device_id;
  return kSuccess;
}

Status check_pointer(const char* name, const void* pointer, int64_t num_elements,
                     int64_t alignment) {
  if (pointer == nullptr && num_elements > 0) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "%s: got NULL, wanted an array of %" PRId64 " elements", name, num_elements);
  }
  if (!is_aligned(pointer, alignment)) {
    return fail(GGFP8_ERROR_INVALID_ALIGNMENT,
                "%s: got address %p, wanted a multiple of %" PRId64 " bytes", name, pointer,
                alignment);
  }
  return kSuccess;
}

Status read_pointers(const Args& args, Problem* problem) {
  const Problem& p = *problem;
  const int64_t a_scales = p.num_slabs() * p.num_m_blocks * p.num_k_blocks;
  const int64_t b_scales = p.batch_size * p.num_n_blocks * p.num_k_blocks;
  if (Status s = check_pointer("a", args.a, p.cum_m * p.k, 1)) return s;
  if (Status s = check_pointer("b", args.b, p.batch_size * p.n * p.k, 1)) return s;
  if (Status s = check_pointer("a_scale", args.a_scale, a_scales, 4)) return s;
  if (Status s = check_pointer("b_scale", args.b_scale, b_scales, 4)) return s;
  if (Status s = check_group_array_given(p)) return s;
  if (Status s = check_pointer("out", args.out, p.cum_m * p.n, size_of(p.out_dtype))) return s;
  problem->a.data = static_cast<const uint8_t*>(args.a);
  problem->b.data = static_cast<const uint8_t*>(args.b);
  problem->sfa.data = args.a_scale;
  problem->sfb.data = args.b_scale;
  problem->out.data = args.out;
  return kSuccess;
}

}  // namespace

Status validate_options(const ggfp8_group_gemm_args& args, Problem* problem) noexcept {
  if (Status s = read_dtypes(args, problem)) return s;
  if (Status s = read_granularity(args, problem)) return s;
  if (Status s = read_group_options(args, problem)) return s;
  return read_modes(args, problem);
}

Status validate(const ggfp8_group_gemm_args* source, Problem* problem, bool* empty) noexcept {
  Args args;
  if (Status s = read_sized_struct(source, sizeof args, kArgsBytesV1, &args, "args")) return s;
  *problem = Problem{};
  if (Status s = validate_options(args, problem)) return s;
  if (Status s = read_sizes(args, problem)) return s;
  if (Status s = read_device(args, problem)) return s;
  if (Status s = check_reserved(args.reserved)) return s;
  if (Status s = read_group_array(args, problem)) return s;
  if (Status s = read_strides(args, problem)) return s;

  *empty = args.cum_m == 0 || args.n == 0 || args.batch_size == 0;
  return *empty ? kSuccess : read_pointers(args, problem);
}

}  // namespace ggfp8
