#include "api/tensors_combine.h"

#include "api/tensor_checks.h"
#include "api/tensor_overlap.h"

namespace ggfp8 {
namespace {

using Args = ggfp8_combine_args;

constexpr SizeRule kRowsRule = {1, GGFP8_MAX_CUM_M};
constexpr SizeRule kColumnsRule = {1, GGFP8_MAX_K};

Status read_x(const Array& x, Args* args) {
  constexpr const char* kAxes = "(rows, k)";
  if (Status s = read_float_dtype(x, &args->x_dtype)) return s;
  if (Status s = check_rank(x, 2, kAxes)) return s;
  if (Status s = check_size(x, 0, kRowsRule, kAxes, "rows")) return s;
  if (Status s = check_size(x, 1, kColumnsRule, kAxes, "k")) return s;
  if (Status s = check_strides(x)) return s;
  args->x_rows = x.shape[0];
  args->k = x.shape[1];
  if (Status s = read_stride(x, 0, {args->k, 1}, &args->x_row_stride)) return s;
  return read_pointer(x, x.dtype.bits / 8, &args->x);
}

Status read_position(const Array& position, Args* args) {
  constexpr const char* kAxes = "(num_tokens, top_k)";
  if (Status s = check_dtype(position, kTensorInt32)) return s;
  if (Status s = check_rank(position, 2, kAxes)) return s;
  if (Status s = check_size(position, 0, kRowsRule, kAxes, "num_tokens")) return s;
  if (Status s = check_size(position, 1, kRowsRule, kAxes, "top_k")) return s;
  if (Status s = check_strides(position)) return s;
  args->num_tokens = position.shape[0];
  args->top_k = position.shape[1];
  if (Status s = read_stride(position, 0, {args->top_k, 1}, &args->position_row_stride)) return s;
  return read_pointer(position, 4, &args->position);
}

Status check_shape(const Array& array, std::span<const int64_t> wanted, const char* like) {
  if (has_shape(array, wanted)) return check_strides(array);
  return fail(GGFP8_ERROR_INVALID_SHAPE, "%s: got shape %s, wanted %s like %s", array.name,
              shape_text(array).text,
              shape_text(wanted.data(), static_cast<int32_t>(wanted.size())).text, like);
}

Status read_weight(const Array& weight, Args* args) {
  const int64_t wanted[] = {args->num_tokens, args->top_k};
  if (Status s = read_float_dtype(weight, &args->weight_dtype)) return s;
  if (Status s = check_shape(weight, wanted, "position")) return s;
  if (Status s = read_stride(weight, 0, {args->top_k, 1}, &args->weight_row_stride)) return s;
  return read_pointer(weight, weight.dtype.bits / 8, &args->weight);
}

Status read_out(const Array& out, uint32_t flags, Args* args) {
  const int64_t wanted[] = {args->num_tokens, args->k};
  if (Status s = read_float_dtype(out, &args->out_dtype)) return s;
  if (Status s = check_shape(out, wanted, "position and x")) return s;
  if (Status s = read_stride(out, 0, {args->k, 1}, &args->out_row_stride)) return s;
  if (Status s = check_writable(out, (flags & GGFP8_FLAG_OUT_READ_ONLY) != 0)) return s;
  return read_pointer(out, out.dtype.bits / 8, &args->out);
}

}  // namespace

Status combine_args_from_tensors(const CombineTensors& tensors, uint32_t flags,
                                 Args* args) noexcept {
  if ((flags & ~GGFP8_FLAG_OUT_READ_ONLY) != 0) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT, "flags: got 0x%x, wanted 0 or 0x%x", flags,
                GGFP8_FLAG_OUT_READ_ONLY);
  }
  Array x, position, weight, out;
  if (Status s = read_array("x", tensors.x, &x)) return s;
  if (Status s = read_array("position", tensors.position, &position)) return s;
  if (Status s = read_array("weight", tensors.weight, &weight)) return s;
  if (Status s = read_array("out", tensors.out, &out)) return s;
  for (const Array* array : {&position, &weight, &out}) {
    if (Status s = check_device(*array, x)) return s;
  }
  if (Status s = read_x(x, args)) return s;
  if (Status s = read_position(position, args)) return s;
  if (Status s = read_weight(weight, args)) return s;
  if (Status s = read_out(out, flags, args)) return s;
  const Array* const inputs[] = {&x, &position, &weight};
  if (Status s = check_apart(out, inputs)) return s;
  args->device_type = static_cast<int32_t>(x.device.type);
  args->device_id = x.device.id;
  return kSuccess;
}

}  // namespace ggfp8
