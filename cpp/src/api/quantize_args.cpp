#include "api/quantize_args.h"

#include <cinttypes>

#include "api/argument_checks.h"
#include "api/sized_struct.h"

namespace ggfp8 {
namespace {

using steps::IndexType;
using steps::QuantizeProblem;
using QuantizeArgs = ggfp8_quantize_groupwise_args;
using SiluArgs = ggfp8_silu_mul_quantize_groupwise_args;

// Sizes in version 1; later versions only append.
constexpr size_t kQuantizeArgsBytesV1 = 192;
constexpr size_t kSiluArgsBytesV1 = 128;
static_assert(sizeof(QuantizeArgs) == kQuantizeArgsBytesV1);
static_assert(sizeof(SiluArgs) == kSiluArgsBytesV1);

Status read_block(int32_t block_rows, int32_t block_k, QuantizeProblem* problem) {
  problem->block_rows = block_rows == 0 ? 1 : block_rows;
  problem->block_k = block_k == 0 ? 128 : block_k;
  const int32_t rows = problem->block_rows;
  const int32_t k = problem->block_k;
  if ((rows == 1 || rows == 128) && k > 0 && k <= 128 && k % 32 == 0) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_GRANULARITY,
              "granularity: got (%d, %d), wanted rows in {1, 128}, k in {32, 64, 96, 128}", rows,
              k);
}

Status read_scale_strides(int32_t major_code, int64_t stride, int64_t batch_stride,
                          QuantizeProblem* problem) {
  ScaleMajor major = ScaleMajor::kMn;
  if (Status s = read_scale_major("scale_major", major_code, &major)) return s;
  const bool mn_major = major == ScaleMajor::kMn;
  const bool scatters = problem->position != nullptr;
  const int64_t row_blocks = scatters ? problem->out_rows : problem->num_row_blocks();
  const int64_t k_blocks = problem->num_k_blocks();
  const int64_t fast = mn_major ? row_blocks : k_blocks;
  const int64_t slow = mn_major ? k_blocks : row_blocks;
  int64_t slow_stride = 0;
  if (Status s = read_member_stride("scale_stride", stride, fast, slow, &slow_stride)) return s;
  problem->scale_row_stride = mn_major ? 1 : slow_stride;
  problem->scale_k_stride = mn_major ? slow_stride : 1;
  return read_member_stride("scale_batch_stride", batch_stride, slow * slow_stride,
                            problem->batch_size, &problem->scale_batch_stride);
}

Status read_place(int32_t device_type, int32_t device_id, uint32_t flags, uint32_t reserved,
                  QuantizeProblem* problem) {
  if (Status s = read_device_type(device_type, &problem->device_type)) return s;
  problem->device_id = device_id;
  if (Status s = check_flags(flags, GGFP8_FLAG_POWER_OF_TWO_SCALES)) return s;
  problem->power_of_two = (flags & GGFP8_FLAG_POWER_OF_TWO_SCALES) != 0;
  return check_reserved(reserved);
}

Status read_row_index(const QuantizeArgs& args, QuantizeProblem* problem) {
  bool is_int64 = false;
  if (Status s = read_index_dtype("row_index_dtype", args.row_index_dtype, &is_int64)) return s;
  if (args.row_index == nullptr) {
    if (args.x_rows == 0) return kSuccess;
    return fail(GGFP8_ERROR_INVALID_SHAPE,
                "x_rows: got %" PRId64 " without row_index, wanted 0: x has the rows of out",
                args.x_rows);
  }
  if (problem->batch_size != 1) {
    return fail(GGFP8_ERROR_INVALID_SHAPE,
                "batch_size: got %" PRId64
                " with row_index, wanted 1: rows are gathered from one "
                "matrix",
                problem->batch_size);
  }
  if (problem->block_rows != 1) {
    return fail(GGFP8_ERROR_INVALID_GRANULARITY,
                "block_rows: got %d with row_index, wanted 1: gathered rows share no scale",
                problem->block_rows);
  }
  problem->row_index = args.row_index;
  problem->index_type = is_int64 ? IndexType::kInt64 : IndexType::kInt32;
  problem->x_rows = args.x_rows;
  return check_array("row_index", args.row_index, true, is_int64 ? 8 : 4);
}

Status read_position(const QuantizeArgs& args, QuantizeProblem* problem) {
  QuantizeProblem& p = *problem;
  if (args.position == nullptr) {
    if (args.top_k == 0 && args.out_rows == 0) return kSuccess;
    return fail(GGFP8_ERROR_INVALID_SHAPE,
                "top_k, out_rows: got %" PRId64 ", %" PRId64 " without position, wanted 0, 0",
                args.top_k, args.out_rows);
  }
  if (p.row_index != nullptr || p.batch_size != 1 || p.block_rows != 1) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "position: got an array with row_index, batch_size %" PRId64
                " or block_rows %d, wanted no row_index, 1 and 1",
                p.batch_size, p.block_rows);
  }
  if (Status s = check_extent("top_k", args.top_k, GGFP8_MAX_CUM_M)) return s;
  if (Status s = check_extent("out_rows", args.out_rows, GGFP8_MAX_CUM_M)) return s;
  p.position = args.position;
  p.top_k = args.top_k;
  p.out_rows = args.out_rows;
  if (Status s = read_member_stride("position_row_stride", args.position_row_stride, p.top_k,
                                    p.rows, &p.position_row_stride)) {
    return s;
  }
  return check_array("position", args.position, true, 4);
}

Status read_data_strides(const QuantizeArgs& args, QuantizeProblem* problem) {
  QuantizeProblem& p = *problem;
  const int64_t x_rows = p.row_index == nullptr ? p.rows : p.x_rows;
  if (Status s =
          read_member_stride("x_row_stride", args.x_row_stride, p.k, x_rows, &p.x_row_stride)) {
    return s;
  }
  if (Status s = read_member_stride("x_batch_stride", args.x_batch_stride, x_rows * p.x_row_stride,
                                    p.batch_size, &p.x_batch_stride)) {
    return s;
  }
  const int64_t out_rows = p.position == nullptr ? p.rows : p.out_rows;
  if (Status s = read_member_stride("out_row_stride", args.out_row_stride, p.k, out_rows,
                                    &p.out_row_stride)) {
    return s;
  }
  return read_member_stride("out_batch_stride", args.out_batch_stride, out_rows * p.out_row_stride,
                            p.batch_size, &p.out_batch_stride);
}

Status read_limits(const SiluArgs& args, steps::Gate* gate) {
  gate->enabled = true;
  // The comparisons refuse NaN as well.
  if (!(args.limit >= 0.0f)) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "limit: got %g, wanted a positive value, or 0 for none",
                static_cast<double>(args.limit));
  }
  if (!(args.alpha >= 0.0f && args.alpha <= 1e30f)) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "alpha: got %g, wanted a positive value up to 1e30, or 0 for silu",
                static_cast<double>(args.alpha));
  }
  gate->has_limit = args.limit > 0.0f;
  if (gate->has_limit) gate->limit = args.limit;
  if (args.alpha > 0.0f) gate->alpha = args.alpha;
  gate->adds_one = args.alpha > 0.0f;
  return kSuccess;
}

}  // namespace

Status read_quantize_args(const QuantizeArgs* source, QuantizeProblem* problem,
                          bool* empty) noexcept {
  QuantizeArgs args;
  if (Status s = read_sized_struct(source, sizeof args, kQuantizeArgsBytesV1, &args, "args")) {
    return s;
  }
  *problem = QuantizeProblem{};
  QuantizeProblem& p = *problem;
  if (Status s = check_extent("batch_size", args.batch_size, GGFP8_MAX_BATCH_SIZE)) return s;
  if (Status s = check_extent("rows", args.rows, GGFP8_MAX_CUM_M)) return s;
  if (Status s = check_extent("k", args.k, GGFP8_MAX_K)) return s;
  if (Status s = check_extent("x_rows", args.x_rows, GGFP8_MAX_CUM_M)) return s;
  p.batch_size = args.batch_size == 0 ? 1 : args.batch_size;
  p.rows = args.rows;
  p.k = args.k;
  if (Status s = read_float_dtype("x_dtype", args.x_dtype, Dtype::kBFloat16, &p.x_dtype)) return s;
  if (Status s = read_fp8_dtype("out_dtype", args.out_dtype, &p.out_dtype)) return s;
  if (Status s = read_block(args.block_rows, args.block_k, problem)) return s;
  if (Status s = read_place(args.device_type, args.device_id, args.flags, args.reserved, problem)) {
    return s;
  }
  if (Status s = read_row_index(args, problem)) return s;
  if (Status s = read_position(args, problem)) return s;
  if (Status s = read_data_strides(args, problem)) return s;
  if (Status s = read_scale_strides(args.scale_major, args.scale_stride, args.scale_batch_stride,
                                    problem)) {
    return s;
  }
  *empty = p.rows == 0 || p.k == 0 || (p.row_index != nullptr && p.x_rows == 0) ||
           (p.position != nullptr && (p.out_rows == 0 || p.top_k == 0));
  if (Status s = check_array("x", args.x, !*empty, size_of(p.x_dtype))) return s;
  if (Status s = check_array("out", args.out, !*empty, 1)) return s;
  if (Status s = check_array("scale", args.scale, !*empty, 4)) return s;
  p.x = args.x;
  p.out = static_cast<uint8_t*>(args.out);
  p.scale = args.scale;
  return kSuccess;
}

Status read_silu_mul_quantize_args(const SiluArgs* source, QuantizeProblem* problem,
                                   bool* empty) noexcept {
  SiluArgs args;
  if (Status s = read_sized_struct(source, sizeof args, kSiluArgsBytesV1, &args, "args")) return s;
  *problem = QuantizeProblem{};
  QuantizeProblem& p = *problem;
  if (Status s = check_extent("rows", args.rows, GGFP8_MAX_CUM_M)) return s;
  if (Status s = check_extent("k", args.k, GGFP8_MAX_K / 2)) return s;
  if (Status s = check_extent("batch_size", args.batch_size, GGFP8_MAX_BATCH_SIZE)) return s;
  p.rows = args.rows;
  p.k = args.k;
  if (Status s = read_limits(args, &p.gate)) return s;
  if (Status s =
          read_float_dtype("gate_up_dtype", args.gate_up_dtype, Dtype::kBFloat16, &p.x_dtype)) {
    return s;
  }
  if (Status s = read_fp8_dtype("out_dtype", args.out_dtype, &p.out_dtype)) return s;
  if (Status s = read_block(1, args.block_k, problem)) return s;
  if (Status s = read_place(args.device_type, args.device_id, args.flags, args.reserved, problem)) {
    return s;
  }
  if (Status s = read_member_stride("gate_up_row_stride", args.gate_up_row_stride, 2 * p.k, p.rows,
                                    &p.x_row_stride)) {
    return s;
  }
  if (Status s = read_member_stride("out_row_stride", args.out_row_stride, p.k, p.rows,
                                    &p.out_row_stride)) {
    return s;
  }
  if (Status s = read_scale_strides(args.scale_major, args.scale_stride, 0, problem)) return s;
  if (Status s = check_array("m_indptr", args.m_indptr, false, 4)) return s;
  p.m_indptr = args.m_indptr;
  p.num_groups = args.batch_size;
  *empty = p.rows == 0 || p.k == 0;
  if (Status s = check_array("gate_up", args.gate_up, !*empty, size_of(p.x_dtype))) return s;
  if (Status s = check_array("out", args.out, !*empty, 1)) return s;
  if (Status s = check_array("scale", args.scale, !*empty, 4)) return s;
  p.x = args.gate_up;
  p.out = static_cast<uint8_t*>(args.out);
  p.scale = args.scale;
  return kSuccess;
}

}  // namespace ggfp8
