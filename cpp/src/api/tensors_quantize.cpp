#include "api/tensors_quantize.h"

#include <cinttypes>
#include <span>

#include "api/sized_struct.h"
#include "api/tensor_checks.h"
#include "api/tensor_overlap.h"
#include "core/math.h"

namespace ggfp8 {
namespace {

using QuantizeArgs = ggfp8_quantize_groupwise_args;
using QuantizeOptions = ggfp8_quantize_groupwise_options;
using SiluArgs = ggfp8_silu_mul_quantize_groupwise_args;
using SiluOptions = ggfp8_silu_mul_quantize_groupwise_options;

// Sizes in version 1; later versions only append.
constexpr size_t kQuantizeOptionsBytesV1 = 32;
constexpr size_t kSiluOptionsBytesV1 = 32;
static_assert(sizeof(QuantizeOptions) == kQuantizeOptionsBytesV1);
static_assert(sizeof(SiluOptions) == kSiluOptionsBytesV1);

constexpr uint32_t kFlags =
    GGFP8_FLAG_POWER_OF_TWO_SCALES | GGFP8_FLAG_OUT_READ_ONLY | GGFP8_FLAG_OUT_SCALE_READ_ONLY;
constexpr SizeRule kRowsRule = {1, GGFP8_MAX_CUM_M};
constexpr SizeRule kColumnsRule = {1, GGFP8_MAX_K};
constexpr SizeRule kGateUpRule = {2, GGFP8_MAX_K};

Status check_flags(uint32_t flags) {
  if ((flags & ~kFlags) == 0) return kSuccess;
  return fail(GGFP8_ERROR_INVALID_ARGUMENT, "flags: got 0x%x, wanted a combination of 0x%x", flags,
              kFlags);
}

// The blocks, with defaults filled in. What is illegal has a number of blocks as well, and is
// refused by the function that takes pointers.
struct Blocks {
  int32_t rows;
  int32_t k;
  int32_t major;

  Blocks(int32_t block_rows, int32_t block_k, int32_t scale_major)
      : rows(block_rows == 0 ? 1 : block_rows),
        k(block_k == 0 ? 128 : block_k),
        major(scale_major == 0 ? GGFP8_SCALE_MAJOR_MN : scale_major) {}

  bool legal() const {
    const bool legal_major = major == GGFP8_SCALE_MAJOR_MN || major == GGFP8_SCALE_MAJOR_K;
    return (rows == 1 || rows == 128) && k > 0 && k <= 128 && k % 32 == 0 && legal_major;
  }
};

// Holds what is written: its arrays, their place, and the strides of the argument structs.
struct Outputs {
  Array out, scale;
  int32_t out_dtype = 0;
  int64_t out_row_stride = 0, out_batch_stride = 0;
  int64_t scale_stride = 0, scale_batch_stride = 0;
};

Status read_outputs(const ggfp8_tensor* out, const ggfp8_tensor* out_scale, int32_t declared,
                    const Array& like, Outputs* outputs) {
  if (Status s = read_array("out", out, &outputs->out)) return s;
  if (Status s = read_array("out_scale", out_scale, &outputs->scale)) return s;
  if (Status s = check_device(outputs->out, like)) return s;
  if (Status s = check_device(outputs->scale, like)) return s;
  if (Status s = read_fp8_dtype(outputs->out, declared, &outputs->out_dtype)) return s;
  return check_dtype(outputs->scale, kTensorFloat32);
}

// out has the shape (rows, k) or (batch_size, rows, k).
Status check_out(std::span<const int64_t> wanted, const char* like, Outputs* outputs) {
  const Array& out = outputs->out;
  if (!has_shape(out, wanted)) {
    return fail(GGFP8_ERROR_INVALID_SHAPE, "out: got shape %s, wanted %s like %s",
                shape_text(out).text,
                shape_text(wanted.data(), static_cast<int32_t>(wanted.size())).text, like);
  }
  if (Status s = check_strides(out)) return s;
  const int32_t row_axis = out.rank - 2;
  const int64_t k = wanted.back();
  if (Status s = read_stride(out, row_axis, {k, 1}, &outputs->out_row_stride)) return s;
  if (row_axis == 0) return kSuccess;
  return read_stride(out, 0, {wanted[1] * outputs->out_row_stride, 1}, &outputs->out_batch_stride);
}

// out_scale has one scale per block of out.
Status check_scale(std::span<const int64_t> out_shape, const Blocks& blocks, Outputs* outputs) {
  const Array& scale = outputs->scale;
  const size_t row_axis = out_shape.size() - 2;
  const int64_t row_blocks = ceil_div<int64_t>(out_shape[row_axis], blocks.rows);
  const int64_t k_blocks = ceil_div<int64_t>(out_shape[row_axis + 1], blocks.k);
  const bool mn_major = blocks.major == GGFP8_SCALE_MAJOR_MN;
  int64_t wanted[3] = {out_shape[0], 0, 0};
  wanted[row_axis] = mn_major ? k_blocks : row_blocks;
  wanted[row_axis + 1] = mn_major ? row_blocks : k_blocks;
  if (!has_shape(scale, {wanted, out_shape.size()})) {
    return fail(GGFP8_ERROR_INVALID_SHAPE,
                "out_scale: got shape %s, wanted %s for scale_major_mode='%s' and granularity "
                "(%d, %d)",
                shape_text(scale).text,
                shape_text(wanted, static_cast<int32_t>(out_shape.size())).text,
                mn_major ? "MN" : "K", blocks.rows, blocks.k);
  }
  if (Status s = check_strides(scale)) return s;
  const auto axis = static_cast<int32_t>(row_axis);
  if (Status s = read_stride(scale, axis, {wanted[axis + 1], 1}, &outputs->scale_stride)) return s;
  if (axis == 0) return kSuccess;
  return read_stride(scale, 0, {wanted[1] * outputs->scale_stride, 1},
                     &outputs->scale_batch_stride);
}

// The outputs may be written, and are apart from the inputs and each other.
template <class Args>
Status write_outputs(const Outputs& outputs, uint32_t flags, std::span<const Array* const> inputs,
                     Args* args) {
  if (Status s = check_writable(outputs.out, (flags & GGFP8_FLAG_OUT_READ_ONLY) != 0)) return s;
  if (Status s = check_writable(outputs.scale, (flags & GGFP8_FLAG_OUT_SCALE_READ_ONLY) != 0)) {
    return s;
  }
  if (Status s = read_pointer(outputs.out, 1, &args->out)) return s;
  if (Status s = read_pointer(outputs.scale, 4, &args->scale)) return s;
  if (Status s = check_apart(outputs.out, inputs)) return s;
  if (Status s = check_apart(outputs.scale, inputs)) return s;
  const Array* const out[] = {&outputs.out};
  if (Status s = check_apart(outputs.scale, out)) return s;
  args->out_dtype = outputs.out_dtype;
  args->out_row_stride = outputs.out_row_stride;
  args->scale_stride = outputs.scale_stride;
  args->device_type = static_cast<int32_t>(outputs.out.device.type);
  args->device_id = outputs.out.device.id;
  args->flags = flags & GGFP8_FLAG_POWER_OF_TWO_SCALES;
  return kSuccess;
}

// x is (rows, k) or (batch_size, rows, k). `indices` names the array of indices, or is null.
Status read_x(const Array& x, const char* indices, QuantizeArgs* args) {
  Message text;
  text.append(indices != nullptr ? "(rows, k) with %s" : "(rows, k) or (batch_size, n, k)",
              indices);
  const char* const axes = text.text;
  if (indices != nullptr || x.rank != 3) {
    if (Status s = check_rank(x, 2, axes)) return s;
  }
  if (Status s = read_float_dtype(x, &args->x_dtype)) return s;
  const int32_t row_axis = x.rank - 2;
  if (Status s = check_size(x, row_axis, kRowsRule, axes, row_axis == 0 ? "rows" : "n")) return s;
  if (Status s = check_size(x, row_axis + 1, kColumnsRule, axes, "k")) return s;
  args->rows = x.shape[row_axis];
  args->k = x.shape[row_axis + 1];
  if (Status s = check_strides(x)) return s;
  if (Status s = read_stride(x, row_axis, {args->k, 1}, &args->x_row_stride)) return s;
  if (row_axis == 0) return kSuccess;
  if (Status s = check_size(x, 0, kBatchSizeRule, axes, "batch_size")) return s;
  args->batch_size = x.shape[0];
  return read_stride(x, 0, {args->rows * args->x_row_stride, 1}, &args->x_batch_stride);
}

Status read_row_index(const Array& row_index, QuantizeArgs* args) {
  const bool is_int64 = row_index.dtype == kTensorInt64;
  if (!is_int64 && row_index.dtype != kTensorInt32) {
    return fail(GGFP8_ERROR_INVALID_DTYPE, "row_index: got dtype %s, wanted int32 or int64",
                name_of(row_index.dtype).text);
  }
  if (Status s = check_rank(row_index, 1, "(rows,)")) return s;
  if (Status s = check_size(row_index, 0, kRowsRule, "(rows,)", "rows")) return s;
  if (Status s = check_strides(row_index)) return s;
  args->row_index_dtype = is_int64 ? GGFP8_DTYPE_INT64 : GGFP8_DTYPE_INT32;
  args->x_rows = args->rows;
  args->rows = row_index.shape[0];
  return read_pointer(row_index, is_int64 ? 8 : 4, &args->row_index);
}

// position is (rows of x, top_k). The rows of out are those of `out`, whose rank is not yet known.
Status read_position(const Array& position, const Array& out, QuantizeArgs* args) {
  if (Status s = check_dtype(position, kTensorInt32)) return s;
  if (Status s = check_rank(position, 2, "(rows, top_k)")) return s;
  if (position.shape[0] != args->rows) {
    return fail(GGFP8_ERROR_INVALID_SHAPE,
                "position: got shape %s, wanted (%" PRId64 ", top_k) like x",
                shape_text(position).text, args->rows);
  }
  if (Status s = check_size(position, 1, kRowsRule, "(rows, top_k)", "top_k")) return s;
  if (Status s = check_strides(position)) return s;
  if (Status s = check_rank(out, 2, "(rows of out, k) with position")) return s;
  if (Status s = check_size(out, 0, kRowsRule, "(rows of out, k)", "rows")) return s;
  args->top_k = position.shape[1];
  args->out_rows = out.shape[0];
  if (Status s = read_stride(position, 0, {args->top_k, 1}, &args->position_row_stride)) return s;
  return read_pointer(position, 4, &args->position);
}

Status read_m_indptr(const Array& m_indptr, SiluArgs* args) {
  if (Status s = check_dtype(m_indptr, kTensorInt32)) return s;
  if (Status s = check_rank(m_indptr, 1, "(batch_size + 1,)")) return s;
  if (Status s = check_strides(m_indptr)) return s;
  args->batch_size = m_indptr.shape[0] - 1;
  if (args->batch_size < 0 || args->batch_size > GGFP8_MAX_BATCH_SIZE) {
    return fail(GGFP8_ERROR_INVALID_SHAPE,
                "m_indptr: got shape %s, wanted (batch_size + 1,) with batch_size from 0 to %d",
                shape_text(m_indptr).text, GGFP8_MAX_BATCH_SIZE);
  }
  return read_pointer(m_indptr, 4, &args->m_indptr);
}

// Copies the options, which may be null, to *options, and to *args those that the function of
// pointers takes.
Status read_options(const QuantizeOptions* source, QuantizeOptions* options, QuantizeArgs* args) {
  if (source != nullptr) {
    if (Status s = read_sized_struct(source, sizeof *options, kQuantizeOptionsBytesV1, options,
                                     "options")) {
      return s;
    }
  }
  args->block_rows = options->block_rows;
  args->block_k = options->block_k;
  args->scale_major = options->scale_major;
  args->reserved = options->reserved;
  return check_flags(options->flags);
}

}  // namespace

Status quantize_args_from_tensors(const QuantizeTensors& tensors, const QuantizeOptions* source,
                                  QuantizeArgs* args, bool* empty) noexcept {
  QuantizeOptions options = GGFP8_QUANTIZE_GROUPWISE_OPTIONS_INIT;
  if (Status s = read_options(source, &options, args)) return s;
  const Blocks blocks(options.block_rows, options.block_k, options.scale_major);
  if (!blocks.legal()) return ggfp8_quantize_groupwise(args, nullptr);

  const bool gathers = tensors.row_index != nullptr;
  const bool scatters = tensors.position != nullptr;
  if (gathers && scatters) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "position: got an array beside row_index, wanted one of the two");
  }
  Array x, indices;
  Outputs outputs;
  if (Status s = read_array("x", tensors.x, &x)) return s;
  if (Status s = read_outputs(tensors.out, tensors.out_scale, options.out_dtype, x, &outputs)) {
    return s;
  }
  const char* const name = gathers ? "row_index" : (scatters ? "position" : nullptr);
  if (Status s = read_x(x, name, args)) return s;
  if (Status s = read_pointer(x, x.dtype.bits / 8, &args->x)) return s;
  if (name != nullptr) {
    if (Status s = read_array(name, gathers ? tensors.row_index : tensors.position, &indices)) {
      return s;
    }
    if (Status s = check_device(indices, x)) return s;
    if (Status s =
            gathers ? read_row_index(indices, args) : read_position(indices, outputs.out, args)) {
      return s;
    }
  }
  const int64_t indexed_shape[] = {scatters ? args->out_rows : args->rows, args->k};
  const std::span<const int64_t> shape =
      name != nullptr ? std::span<const int64_t>(indexed_shape)
                      : std::span<const int64_t>(x.shape, static_cast<size_t>(x.rank));
  if (Status s = check_out(shape, gathers ? "row_index and x" : "x", &outputs)) return s;
  if (Status s = check_scale(shape, blocks, &outputs)) return s;
  args->out_batch_stride = outputs.out_batch_stride;
  args->scale_batch_stride = outputs.scale_batch_stride;
  const bool has_targets = !scatters || indices.has_elements();
  *empty = !outputs.out.has_elements() || !has_targets;
  const Array* const inputs[] = {&x, name != nullptr ? &indices : &x};
  return write_outputs(outputs, options.flags, inputs, args);
}

Status silu_args_from_tensors(const SiluTensors& tensors, const SiluOptions* source, SiluArgs* args,
                              bool* empty) noexcept {
  SiluOptions options = GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_OPTIONS_INIT;
  if (source != nullptr) {
    if (Status s =
            read_sized_struct(source, sizeof options, kSiluOptionsBytesV1, &options, "options")) {
      return s;
    }
  }
  if (Status s = check_flags(options.flags)) return s;
  args->limit = options.limit;
  args->alpha = options.alpha;
  args->block_k = options.block_k;
  args->scale_major = options.scale_major;
  const Blocks blocks(1, options.block_k, options.scale_major);
  if (!blocks.legal()) return ggfp8_silu_mul_quantize_groupwise(args, nullptr);

  Array gate_up, m_indptr;
  Outputs outputs;
  constexpr const char* kAxes = "(rows, 2 * k)";
  if (Status s = read_array("gate_up", tensors.gate_up, &gate_up)) return s;
  if (Status s =
          read_outputs(tensors.out, tensors.out_scale, options.out_dtype, gate_up, &outputs)) {
    return s;
  }
  if (Status s = check_rank(gate_up, 2, kAxes)) return s;
  if (Status s = read_float_dtype(gate_up, &args->gate_up_dtype)) return s;
  if (Status s = check_size(gate_up, 0, kRowsRule, kAxes, "rows")) return s;
  if (Status s = check_size(gate_up, 1, kGateUpRule, kAxes, "2 * k")) return s;
  args->rows = gate_up.shape[0];
  args->k = gate_up.shape[1] / 2;
  if (Status s = check_strides(gate_up)) return s;
  if (Status s = read_stride(gate_up, 0, {2 * args->k, 1}, &args->gate_up_row_stride)) return s;
  if (Status s = read_pointer(gate_up, gate_up.dtype.bits / 8, &args->gate_up)) return s;
  const bool has_bounds = tensors.m_indptr != nullptr;
  if (has_bounds) {
    if (Status s = read_array("m_indptr", tensors.m_indptr, &m_indptr)) return s;
    if (Status s = check_device(m_indptr, gate_up)) return s;
    if (Status s = read_m_indptr(m_indptr, args)) return s;
  }
  const int64_t shape[] = {args->rows, args->k};
  if (Status s = check_out(shape, "gate_up", &outputs)) return s;
  if (Status s = check_scale(shape, blocks, &outputs)) return s;
  *empty = !outputs.out.has_elements();
  const Array* const inputs[] = {&gate_up, has_bounds ? &m_indptr : &gate_up};
  return write_outputs(outputs, options.flags, inputs, args);
}

}  // namespace ggfp8
