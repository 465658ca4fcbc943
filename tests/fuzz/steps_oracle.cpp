#include "steps_oracle.h"

#include <initializer_list>

namespace fuzz {
namespace {

int64_t or_default(int64_t value, int64_t fallback) {
  return value == 0 ? fallback : value;
}

Wide blocks(int64_t size, int64_t block) {
  return (Wide{size} + block - 1) / block;
}

int64_t bytes_of(int32_t dtype) {
  return dtype == GGFP8_DTYPE_FLOAT32 ? 4 : 2;
}

// Rules that the steps share, each of which adds the status of a refusal.
class StepJudge {
 public:
  Verdict verdict;

  void refuse_if(bool wrong, int32_t status) {
    if (wrong) verdict.refusals.insert(status);
  }
  void judge_size(int64_t size, int64_t limit) {
    refuse_if(size < 0 || size > limit, GGFP8_ERROR_INVALID_SHAPE);
  }
  void judge_code(int64_t code, std::initializer_list<int64_t> legal, int32_t status) {
    bool found = code == 0;
    for (int64_t one : legal) found = found || code == one;
    refuse_if(!found, status);
  }
  void judge_float(int32_t dtype) {
    judge_code(dtype, {GGFP8_DTYPE_BFLOAT16, GGFP8_DTYPE_FLOAT16, GGFP8_DTYPE_FLOAT32},
               GGFP8_ERROR_INVALID_DTYPE);
  }
  void judge_fp8(int32_t dtype) {
    judge_code(dtype, {GGFP8_DTYPE_FLOAT8_E4M3FN, GGFP8_DTYPE_FLOAT8_E5M2},
               GGFP8_ERROR_INVALID_DTYPE);
  }
  void judge_index(int32_t dtype) {
    judge_code(dtype, {GGFP8_DTYPE_INT32, GGFP8_DTYPE_INT64}, GGFP8_ERROR_INVALID_DTYPE);
  }
  void judge_scale_major(int32_t major) {
    judge_code(major, {GGFP8_SCALE_MAJOR_MN, GGFP8_SCALE_MAJOR_K}, GGFP8_ERROR_INVALID_SCALE_MAJOR);
  }
  void judge_block_k(int32_t block_k) {
    judge_code(block_k, {32, 64, 96, 128}, GGFP8_ERROR_INVALID_GRANULARITY);
  }
  void judge_flags(uint32_t flags, uint32_t legal, uint32_t reserved) {
    refuse_if((flags & ~legal) != 0 || reserved != 0, GGFP8_ERROR_INVALID_ARGUMENT);
  }
  // Sizes that are no sizes leave nothing to say of strides.
  bool has_sizes() const {
    return verdict.refusals.count(GGFP8_ERROR_INVALID_SHAPE) == 0 &&
           verdict.refusals.count(GGFP8_ERROR_INVALID_GRANULARITY) == 0;
  }
  // Returns the stride in effect, of which `count` steps must be addressable.
  Wide stride(int64_t given, Wide dense, Wide count) {
    const Wide effective = given == 0 ? dense : Wide{given};
    refuse_if(effective < dense || effective * count > Wide{INT64_MAX} / 32,
              GGFP8_ERROR_INVALID_STRIDE);
    return effective;
  }
  void judge_alignment(const void* pointer, int64_t alignment) {
    refuse_if(reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(alignment) != 0,
              GGFP8_ERROR_INVALID_ALIGNMENT);
  }
  // Judges a pointer and notes the bytes that a legal call may touch: no bytes, no array.
  void judge_array(const void* pointer, Wide bytes, int64_t alignment) {
    refuse_if(pointer == nullptr && bytes > 0, GGFP8_ERROR_INVALID_ARGUMENT);
    judge_alignment(pointer, alignment);
    verdict.needs.push_back(bytes);
  }
  void judge_device(int32_t type, int32_t id, bool asks) {
    judge_code(type, {GGFP8_DEVICE_CPU, GGFP8_DEVICE_CUDA}, GGFP8_ERROR_INVALID_DEVICE);
    if (!asks) return;
    refuse_if(type != GGFP8_DEVICE_CPU, GGFP8_ERROR_NO_DRIVER);  // built without CUDA
    refuse_if(type == GGFP8_DEVICE_CPU && id != 0, GGFP8_ERROR_INVALID_DEVICE);
  }
};

// Bytes of rows that are `stride` elements apart.
Wide matrix_bytes(Wide rows, Wide stride, Wide columns, int64_t element_bytes) {
  return rows <= 0 || columns <= 0 ? Wide{0} : ((rows - 1) * stride + columns) * element_bytes;
}

// Bytes of matrices of so many bytes that are `stride` elements apart.
Wide batch_bytes(Wide matrices, Wide stride, Wide bytes, int64_t element_bytes) {
  return bytes == 0 ? Wide{0} : (matrices - 1) * stride * element_bytes + bytes;
}

class QuantizeJudge : public StepJudge {
 public:
  explicit QuantizeJudge(const ggfp8_quantize_groupwise_args& args) : x_(args) {
    judge_codes();
    judge_sizes();
    judge_alignment(x_.row_index, index_bytes());
    judge_alignment(x_.position, 4);
    if (has_sizes()) judge_arrays();
    judge_device(x_.device_type, x_.device_id, !is_empty());
  }

 private:
  bool gathers() const { return x_.row_index != nullptr; }
  bool scatters() const { return x_.position != nullptr; }
  int64_t x_rows() const { return gathers() ? x_.x_rows : x_.rows; }
  int64_t out_rows() const { return scatters() ? x_.out_rows : x_.rows; }
  int64_t batch() const { return or_default(x_.batch_size, 1); }
  int64_t index_bytes() const { return x_.row_index_dtype == GGFP8_DTYPE_INT64 ? 8 : 4; }
  bool is_empty() const {
    return x_.rows == 0 || x_.k == 0 || x_rows() == 0 || out_rows() == 0 ||
           (scatters() && x_.top_k == 0);
  }

  void judge_codes() {
    judge_float(x_.x_dtype);
    judge_fp8(x_.out_dtype);
    judge_index(x_.row_index_dtype);
    judge_code(x_.block_rows, {1, 128}, GGFP8_ERROR_INVALID_GRANULARITY);
    judge_block_k(x_.block_k);
    judge_scale_major(x_.scale_major);
    judge_flags(x_.flags, GGFP8_FLAG_POWER_OF_TWO_SCALES, x_.reserved);
  }
  void judge_sizes() {
    judge_size(x_.batch_size, GGFP8_MAX_BATCH_SIZE);
    judge_size(x_.rows, GGFP8_MAX_CUM_M);
    judge_size(x_.k, GGFP8_MAX_K);
    judge_size(x_.x_rows, GGFP8_MAX_CUM_M);
    refuse_if(!gathers() && x_.x_rows != 0, GGFP8_ERROR_INVALID_SHAPE);
    refuse_if(gathers() && batch() != 1, GGFP8_ERROR_INVALID_SHAPE);
    refuse_if(gathers() && x_.block_rows == 128, GGFP8_ERROR_INVALID_GRANULARITY);
    if (!scatters()) {
      return refuse_if(x_.top_k != 0 || x_.out_rows != 0, GGFP8_ERROR_INVALID_SHAPE);
    }
    judge_size(x_.top_k, GGFP8_MAX_CUM_M);
    judge_size(x_.out_rows, GGFP8_MAX_CUM_M);
    refuse_if(gathers() || batch() != 1 || x_.block_rows == 128, GGFP8_ERROR_INVALID_ARGUMENT);
  }
  void judge_arrays() {
    const Wide xs = stride(x_.x_row_stride, x_.k, x_rows());
    const Wide xb = stride(x_.x_batch_stride, x_rows() * xs, batch());
    const Wide os = stride(x_.out_row_stride, x_.k, out_rows());
    const Wide ob = stride(x_.out_batch_stride, out_rows() * os, batch());
    const Wide rb = blocks(out_rows(), or_default(x_.block_rows, 1));
    const Wide kb = blocks(x_.k, or_default(x_.block_k, 128));
    const bool is_mn = x_.scale_major != GGFP8_SCALE_MAJOR_K;
    const Wide fast = is_mn ? rb : kb, slow = is_mn ? kb : rb;
    const Wide ss = stride(x_.scale_stride, fast, slow);
    const Wide sb = stride(x_.scale_batch_stride, slow * ss, batch());
    const Wide ps = scatters() ? stride(x_.position_row_stride, x_.top_k, x_.rows) : Wide{0};
    const int64_t bytes = bytes_of(x_.x_dtype);
    const Wide some = is_empty() ? 0 : 1;
    judge_array(x_.x,
                some * batch_bytes(batch(), xb, matrix_bytes(x_rows(), xs, x_.k, bytes), bytes),
                bytes);
    judge_array(x_.row_index, gathers() ? some * x_.rows * index_bytes() : Wide{0}, index_bytes());
    judge_array(x_.out, some * batch_bytes(batch(), ob, matrix_bytes(out_rows(), os, x_.k, 1), 1),
                1);
    judge_array(x_.scale, some * batch_bytes(batch(), sb, matrix_bytes(slow, ss, fast, 4), 4), 4);
    judge_array(x_.position, some * matrix_bytes(x_.rows, ps, x_.top_k, 4), 4);
  }

  const ggfp8_quantize_groupwise_args& x_;
};

class SiluJudge : public StepJudge {
 public:
  explicit SiluJudge(const ggfp8_silu_mul_quantize_groupwise_args& x) {
    judge_size(x.rows, GGFP8_MAX_CUM_M);
    judge_size(x.k, GGFP8_MAX_K / 2);
    judge_size(x.batch_size, GGFP8_MAX_BATCH_SIZE);
    const bool has_factors = x.limit >= 0 && x.alpha >= 0 && x.alpha <= 1e30f;
    refuse_if(!has_factors, GGFP8_ERROR_INVALID_ARGUMENT);  // NaN as well
    judge_float(x.gate_up_dtype);
    judge_fp8(x.out_dtype);
    judge_block_k(x.block_k);
    judge_scale_major(x.scale_major);
    judge_flags(x.flags, GGFP8_FLAG_POWER_OF_TWO_SCALES, x.reserved);
    const bool is_empty = x.rows == 0 || x.k == 0;
    judge_device(x.device_type, x.device_id, !is_empty);
    if (!has_sizes()) return;
    const Wide xs = stride(x.gate_up_row_stride, Wide{2} * x.k, x.rows);
    const Wide os = stride(x.out_row_stride, x.k, x.rows);
    const bool is_mn = x.scale_major != GGFP8_SCALE_MAJOR_K;
    const Wide kb = blocks(x.k, or_default(x.block_k, 128));
    const Wide fast = is_mn ? Wide{x.rows} : kb, slow = is_mn ? kb : Wide{x.rows};
    const Wide ss = stride(x.scale_stride, fast, slow);
    const int64_t bytes = bytes_of(x.gate_up_dtype);
    judge_array(x.gate_up, matrix_bytes(x.rows, xs, Wide{2} * x.k, bytes), bytes);
    const bool has_groups = x.m_indptr != nullptr && !is_empty;
    judge_array(x.m_indptr, has_groups ? (Wide{x.batch_size} + 1) * 4 : Wide{0}, 4);
    judge_array(x.out, matrix_bytes(x.rows, os, x.k, 1), 1);
    judge_array(x.scale, is_empty ? Wide{0} : matrix_bytes(slow, ss, fast, 4), 4);
  }
};

class RouteJudge : public StepJudge {
 public:
  explicit RouteJudge(const ggfp8_route_args& x) {
    judge_size(x.num_tokens, GGFP8_MAX_ROUTED_ROWS);
    judge_size(x.top_k, GGFP8_MAX_ROUTED_ROWS);
    judge_size(x.batch_size, GGFP8_MAX_BATCH_SIZE);
    const Wide pairs = Wide{x.num_tokens} * x.top_k;
    refuse_if(pairs > GGFP8_MAX_ROUTED_ROWS, GGFP8_ERROR_INVALID_SHAPE);
    judge_index(x.top_k_index_dtype);
    judge_flags(x.flags, 0, 0);
    judge_device(x.device_type, x.device_id, true);
    if (!has_sizes()) return;
    const Wide xs = stride(x.top_k_index_row_stride, x.top_k, x.num_tokens);
    const int64_t bytes = x.top_k_index_dtype == GGFP8_DTYPE_INT64 ? 8 : 4;
    judge_array(x.top_k_index, matrix_bytes(x.num_tokens, xs, x.top_k, bytes), bytes);
    judge_array(x.row_index, pairs * 4, 4);
    judge_array(x.position, pairs * 4, 4);
    judge_array(x.m_indptr, (Wide{x.batch_size} + 1) * 4, 4);
  }
};

class CombineJudge : public StepJudge {
 public:
  explicit CombineJudge(const ggfp8_combine_args& x) {
    judge_size(x.x_rows, GGFP8_MAX_CUM_M);
    judge_size(x.num_tokens, GGFP8_MAX_CUM_M);
    judge_size(x.top_k, GGFP8_MAX_CUM_M);
    judge_size(x.k, GGFP8_MAX_K);
    for (int32_t dtype : {x.x_dtype, x.weight_dtype, x.out_dtype}) judge_float(dtype);
    judge_flags(x.flags, 0, 0);
    const bool is_empty = x.num_tokens == 0 || x.k == 0;
    judge_device(x.device_type, x.device_id, !is_empty);
    if (!has_sizes()) return;
    const Wide xs = stride(x.x_row_stride, x.k, x.x_rows);
    const Wide ps = stride(x.position_row_stride, x.top_k, x.num_tokens);
    const Wide ws = stride(x.weight_row_stride, x.top_k, x.num_tokens);
    const Wide os = stride(x.out_row_stride, x.k, x.num_tokens);
    const int64_t x_bytes = bytes_of(x.x_dtype);
    const int64_t weight_bytes =
        bytes_of(x.weight_dtype == 0 ? GGFP8_DTYPE_FLOAT32 : x.weight_dtype);
    const int64_t out_bytes = bytes_of(x.out_dtype == 0 ? x.x_dtype : x.out_dtype);
    const Wide has_pairs = is_empty || x.top_k == 0 ? 0 : 1;
    judge_array(x.x, has_pairs * matrix_bytes(x.x_rows, xs, x.k, x_bytes), x_bytes);
    judge_array(x.position, has_pairs * matrix_bytes(x.num_tokens, ps, x.top_k, 4), 4);
    judge_array(x.weight, has_pairs * matrix_bytes(x.num_tokens, ws, x.top_k, weight_bytes),
                weight_bytes);
    judge_array(x.out, matrix_bytes(x.num_tokens, os, x.k, out_bytes), out_bytes);
  }
};

}  // namespace

Verdict judge(const ggfp8_quantize_groupwise_args& args) {
  return QuantizeJudge(args).verdict;
}
Verdict judge(const ggfp8_silu_mul_quantize_groupwise_args& args) {
  return SiluJudge(args).verdict;
}
Verdict judge(const ggfp8_route_args& args) {
  return RouteJudge(args).verdict;
}
Verdict judge(const ggfp8_combine_args& args) {
  return CombineJudge(args).verdict;
}

}  // namespace fuzz
