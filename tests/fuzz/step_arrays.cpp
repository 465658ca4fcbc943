#include "step_arrays.h"

#include <algorithm>

#include "step_values.h"

namespace fuzz {
namespace {

constexpr int32_t kFloat32 = GGFP8_DTYPE_FLOAT32, kInt32 = GGFP8_DTYPE_INT32;

StepTensor matrix(const void* data, int32_t dtype, int64_t rows, int64_t columns, int64_t stride) {
  return {data, dtype, {rows, columns}, {or_default(stride, columns), 1}, {true, true}};
}

StepTensor vector(const void* data, int32_t dtype, int64_t size, bool is_bound) {
  return {data, dtype, {size}, {1}, {is_bound}};
}

// Makes (batch, rows, columns) of a matrix where there is a batch.
StepTensor with_batch(StepTensor array, int64_t batch, int64_t stride) {
  if (batch == 0) return array;
  array.strides.insert(array.strides.begin(),
                       or_default(stride, array.shape[0] * array.strides[0]));
  array.shape.insert(array.shape.begin(), batch);
  array.is_bound.insert(array.is_bound.begin(), true);
  return array;
}

StepTensor optional(StepTensor array) {
  array.is_optional = true;
  return array;
}

StepTensor output(StepTensor array) {
  array.is_output = true;
  return array;
}

int32_t fp8_or_default(int32_t dtype) {
  return dtype == 0 ? GGFP8_DTYPE_FLOAT8_E4M3FN : dtype;
}

int32_t float_or(int32_t dtype, int32_t fallback) {
  return dtype == 0 ? fallback : dtype;
}

struct DlpackType {
  uint8_t code, bits;
};

DlpackType dlpack_type(int32_t dtype) {
  switch (dtype) {
    case GGFP8_DTYPE_FLOAT8_E4M3FN: return {GGFP8_DLPACK_FLOAT8_E4M3FN, 8};
    case GGFP8_DTYPE_FLOAT8_E5M2: return {GGFP8_DLPACK_FLOAT8_E5M2, 8};
    case GGFP8_DTYPE_FLOAT16: return {GGFP8_DLPACK_FLOAT, 16};
    case GGFP8_DTYPE_FLOAT32: return {GGFP8_DLPACK_FLOAT, 32};
    case GGFP8_DTYPE_INT32: return {GGFP8_DLPACK_INT, 32};
    case GGFP8_DTYPE_INT64: return {GGFP8_DLPACK_INT, 64};
    default: return {GGFP8_DLPACK_BFLOAT, 16};
  }
}

}  // namespace

StepTensor::StepTensor(const void* data, int32_t dtype, std::vector<int64_t> sizes,
                       std::vector<int64_t> steps, std::vector<bool> bound)
    : shape(std::move(sizes)), strides(std::move(steps)), is_bound(std::move(bound)) {
  tensor.data = const_cast<void*>(data);
  tensor.device_type = GGFP8_DEVICE_CPU;
  tensor.dtype_code = dlpack_type(dtype).code;
  tensor.dtype_bits = dlpack_type(dtype).bits;
  tensor.dtype_lanes = 1;
}

bool StepTensor::has_elements() const {
  return std::all_of(shape.begin(), shape.end(), [](int64_t size) { return size != 0; });
}

void StepCall::add(StepTensor array) {
  place.push_back(static_cast<int>(arrays.size()));
  arrays.push_back(std::move(array));
}

void StepCall::point() {
  for (StepTensor& array : arrays) {
    array.tensor.ndim = static_cast<int32_t>(array.shape.size());
    array.tensor.shape = array.shape.data();
    array.tensor.strides = array.strides.data();
  }
  for (size_t i = 0; i < place.size(); ++i) {
    pointers[i] = place[i] < 0 ? nullptr : &arrays[static_cast<size_t>(place[i])].tensor;
  }
}

StepCall describe(const ggfp8_quantize_groupwise_args& x) {
  StepCall call;
  const bool gathers = x.row_index != nullptr, scatters = x.position != nullptr;
  const int64_t batch = gathers || scatters ? 0 : x.batch_size;
  const int64_t out_rows = scatters ? x.out_rows : x.rows;
  const int64_t rb = num_blocks(out_rows, or_default(x.block_rows, 1));
  const int64_t kb = num_blocks(x.k, or_default(x.block_k, 128));
  const bool is_mn = x.scale_major != GGFP8_SCALE_MAJOR_K;
  StepTensor in = matrix(x.x, x.x_dtype, gathers ? x.x_rows : x.rows, x.k, x.x_row_stride);
  in.is_bound[0] = !gathers;
  call.add(with_batch(in, batch, x.x_batch_stride));
  if (gathers) {
    const int32_t dtype = x.row_index_dtype == GGFP8_DTYPE_INT64 ? GGFP8_DTYPE_INT64 : kInt32;
    call.add(optional(vector(x.row_index, dtype, x.rows, true)));
  } else {
    call.add_none();
  }
  if (scatters) {
    StepTensor position = matrix(x.position, kInt32, x.rows, x.top_k, x.position_row_stride);
    position.is_bound[1] = false;
    call.add(optional(position));
  } else {
    call.add_none();
  }
  call.add(
      output(with_batch(matrix(x.out, fp8_or_default(x.out_dtype), out_rows, x.k, x.out_row_stride),
                        batch, x.out_batch_stride)));
  call.add(
      output(with_batch(matrix(x.scale, kFloat32, is_mn ? kb : rb, is_mn ? rb : kb, x.scale_stride),
                        batch, x.scale_batch_stride)));
  return call;
}

StepCall describe(const ggfp8_silu_mul_quantize_groupwise_args& x) {
  StepCall call;
  const int64_t kb = num_blocks(x.k, or_default(x.block_k, 128));
  const bool is_mn = x.scale_major != GGFP8_SCALE_MAJOR_K;
  call.add(matrix(x.gate_up, x.gate_up_dtype, x.rows, 2 * x.k, x.gate_up_row_stride));
  if (x.m_indptr != nullptr) {
    call.add(optional(vector(x.m_indptr, kInt32, x.batch_size + 1, false)));
  } else {
    call.add_none();
  }
  call.add(output(matrix(x.out, fp8_or_default(x.out_dtype), x.rows, x.k, x.out_row_stride)));
  call.add(
      output(matrix(x.scale, kFloat32, is_mn ? kb : x.rows, is_mn ? x.rows : kb, x.scale_stride)));
  return call;
}

StepCall describe(const ggfp8_route_args& x) {
  StepCall call;
  const int32_t dtype = x.top_k_index_dtype == GGFP8_DTYPE_INT64 ? GGFP8_DTYPE_INT64 : kInt32;
  call.add(matrix(x.top_k_index, dtype, x.num_tokens, x.top_k, x.top_k_index_row_stride));
  call.add(output(vector(x.row_index, kInt32, x.num_tokens * x.top_k, true)));
  call.add(output(matrix(x.position, kInt32, x.num_tokens, x.top_k, 0)));
  call.arrays.back().is_dense = true;
  call.add(output(vector(x.m_indptr, kInt32, x.batch_size + 1, false)));
  return call;
}

StepCall describe(const ggfp8_combine_args& x) {
  StepCall call;
  const int32_t x_dtype = float_or(x.x_dtype, GGFP8_DTYPE_BFLOAT16);
  StepTensor in = matrix(x.x, x_dtype, x.x_rows, x.k, x.x_row_stride);
  in.is_bound[0] = false;
  call.add(in);
  call.add(matrix(x.position, kInt32, x.num_tokens, x.top_k, x.position_row_stride));
  call.add(matrix(x.weight, float_or(x.weight_dtype, kFloat32), x.num_tokens, x.top_k,
                  x.weight_row_stride));
  call.add(
      output(matrix(x.out, float_or(x.out_dtype, x_dtype), x.num_tokens, x.k, x.out_row_stride)));
  return call;
}

int32_t run_tensors(const StepCall& call, const ggfp8_quantize_groupwise_args& args) {
  ggfp8_quantize_groupwise_options options = GGFP8_QUANTIZE_GROUPWISE_OPTIONS_INIT;
  options.block_rows = args.block_rows;
  options.block_k = args.block_k;
  options.scale_major = args.scale_major;
  options.flags = args.flags;
  const auto& p = call.pointers;
  return ggfp8_quantize_groupwise_tensors(p[0], p[1], p[2], p[3], p[4], &options, nullptr);
}

int32_t run_tensors(const StepCall& call, const ggfp8_silu_mul_quantize_groupwise_args& args) {
  ggfp8_silu_mul_quantize_groupwise_options options =
      GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_OPTIONS_INIT;
  options.limit = args.limit;
  options.alpha = args.alpha;
  options.block_k = args.block_k;
  options.scale_major = args.scale_major;
  options.flags = args.flags;
  const auto& p = call.pointers;
  return ggfp8_silu_mul_quantize_groupwise_tensors(p[0], p[1], p[2], p[3], &options, nullptr);
}

int32_t run_tensors(const StepCall& call, const ggfp8_route_args&) {
  const auto& p = call.pointers;
  return ggfp8_route_tensors(p[0], p[1], p[2], p[3], nullptr, 0, nullptr);
}

int32_t run_tensors(const StepCall& call, const ggfp8_combine_args&) {
  const auto& p = call.pointers;
  return ggfp8_combine_tensors(p[0], p[1], p[2], p[3], 0, nullptr);
}

namespace {

std::set<int32_t> spoil_size(Random& random, StepTensor* array) {
  const auto axis =
      static_cast<size_t>(random.uniform(0, static_cast<int64_t>(array->shape.size()) - 1));
  if (!array->is_bound[axis]) return {};
  const int64_t before = array->shape[axis];
  array->shape[axis] = random.one_in(2) ? before + 1 : random.hostile();
  if (array->shape[axis] == before) return {};
  return {GGFP8_ERROR_INVALID_SHAPE, GGFP8_ERROR_INVALID_STRIDE};
}

// Puts an output where another array begins.
std::set<int32_t> spoil_place(Random& random, StepCall* call, StepTensor* array) {
  if (!array->is_output || !array->has_elements()) return {};
  const auto last = static_cast<int64_t>(call->arrays.size()) - 1;
  const StepTensor& other = call->arrays[static_cast<size_t>(random.uniform(0, last))];
  if (&other == array || !other.has_elements()) return {};
  array->tensor.data = other.tensor.data;
  return {GGFP8_ERROR_INVALID_ARGUMENT, GGFP8_ERROR_INVALID_ALIGNMENT};
}

// A step between elements of a row, or rows that share memory.
std::set<int32_t> spoil_stride(Random& random, StepTensor* array) {
  if (!array->has_elements()) return {};
  const auto axis =
      static_cast<size_t>(random.uniform(0, static_cast<int64_t>(array->shape.size()) - 1));
  if (array->shape[axis] == 1) return {};
  const bool is_last = axis + 1 == array->shape.size();
  if (array->is_dense && !is_last && random.one_in(2)) {
    ++array->strides[axis];
    return {GGFP8_ERROR_INVALID_STRIDE};
  }
  array->strides[axis] = is_last ? random.one_of<int64_t>({0, 2, -1, INT64_MAX, INT64_MIN})
                                 : random.one_of<int64_t>({0, -1, INT64_MAX, INT64_MIN});
  return {GGFP8_ERROR_INVALID_STRIDE};
}

}  // namespace

std::set<int32_t> spoil(Random& random, StepCall* call) {
  const auto idx =
      static_cast<size_t>(random.uniform(0, static_cast<int64_t>(call->arrays.size()) - 1));
  StepTensor& array = call->arrays[idx];
  ggfp8_tensor& tensor = array.tensor;
  switch (random.uniform(0, 7)) {
    case 0:
      tensor.dtype_bits = static_cast<uint8_t>(random.one_of({0, 1, 4, 24, 128}));
      return {GGFP8_ERROR_INVALID_DTYPE};
    case 1:
      tensor.dtype_lanes = static_cast<uint16_t>(random.one_of({0, 2, 65535}));
      return {GGFP8_ERROR_INVALID_DTYPE};
    case 2:
      tensor.device_type = random.one_of({0, 2, 4, 10, 13, 99, -1});
      return {GGFP8_ERROR_INVALID_DEVICE};
    case 3: {
      const bool is_needed = array.has_elements();
      tensor.data = nullptr;
      return is_needed ? std::set<int32_t>{GGFP8_ERROR_INVALID_ARGUMENT} : std::set<int32_t>{};
    }
    case 4: {
      if (array.is_optional) return {};
      for (const ggfp8_tensor*& pointer : call->pointers) {
        if (pointer == &tensor) pointer = nullptr;
      }
      return {GGFP8_ERROR_INVALID_ARGUMENT};
    }
    case 5: return spoil_stride(random, &array);
    case 6: return spoil_place(random, call, &array);
    default: return spoil_size(random, &array);
  }
}

}  // namespace fuzz
