#include "args_oracle.h"

#include <cstring>

namespace fuzz {
namespace {

using Args = ggfp8_group_gemm_args;

// Refusals of one struct, collected rule by rule.
class Judge {
 public:
  explicit Judge(const Args& args) : x_(args) {}

  Verdict judge() {
    judge_codes();
    judge_sizes();
    judge_groups();
    // Strides are multiples of sizes, which must be legal to mean anything.
    const bool has_sizes = verdict_.refusals.count(GGFP8_ERROR_INVALID_SHAPE) == 0 &&
                           verdict_.refusals.count(GGFP8_ERROR_INVALID_GRANULARITY) == 0;
    if (has_sizes) judge_strides();
    verdict_.empty = x_.cum_m == 0 || x_.n == 0 || x_.batch_size == 0;
    add_device();
    add_pointers();
    if (verdict_.refusals.empty()) add_needs();
    return verdict_;
  }

 private:
  void refuse_if(bool wrong, int32_t status) {
    if (wrong) verdict_.refusals.insert(status);
  }
  static bool is_one_of(int64_t value, std::initializer_list<int64_t> legal) {
    for (int64_t one : legal) {
      if (value == one) return true;
    }
    return false;
  }
  bool is_masked() const { return x_.group_layout == GGFP8_GROUPS_MASKED; }
  int64_t or_default(int64_t value, int64_t fallback) const {
    return value == 0 ? fallback : value;
  }

  void judge_codes() {
    const auto fp8 = {int64_t{0}, int64_t{1}, int64_t{2}};
    refuse_if(!is_one_of(x_.a_dtype, fp8), GGFP8_ERROR_INVALID_DTYPE);
    refuse_if(!is_one_of(x_.b_dtype, fp8), GGFP8_ERROR_INVALID_DTYPE);
    refuse_if(!is_one_of(x_.out_dtype, {0, 3, 4, 5}), GGFP8_ERROR_INVALID_DTYPE);
    refuse_if(!is_one_of(x_.scale_granularity_m, {0, 1, 128}), GGFP8_ERROR_INVALID_GRANULARITY);
    refuse_if(!is_one_of(x_.scale_granularity_n, {0, 1, 64, 128}), GGFP8_ERROR_INVALID_GRANULARITY);
    refuse_if(!is_one_of(x_.scale_granularity_k, {0, 32, 64, 96, 128}),
              GGFP8_ERROR_INVALID_GRANULARITY);
    refuse_if(!is_one_of(x_.scale_major, {0, 1, 2}), GGFP8_ERROR_INVALID_SCALE_MAJOR);
    refuse_if(!is_one_of(x_.b_scale_major, {0, 1, 2}), GGFP8_ERROR_INVALID_SCALE_MAJOR);
    refuse_if(!is_one_of(x_.mma_sm, {0, 1, 2}), GGFP8_ERROR_INVALID_MMA_SM);
    refuse_if((x_.flags & ~GGFP8_FLAG_VALIDATE_M_INDPTR) != 0, GGFP8_ERROR_INVALID_ARGUMENT);
    refuse_if(x_.reserved != 0, GGFP8_ERROR_INVALID_ARGUMENT);
    refuse_if(!is_one_of(x_.device_type, {0, 1, 2}), GGFP8_ERROR_INVALID_DEVICE);
    gm_ = or_default(x_.scale_granularity_m, 1);
    gn_ = or_default(x_.scale_granularity_n, 128);
    gk_ = or_default(x_.scale_granularity_k, 128);
  }

  void judge_sizes() {
    const auto is_wrong = [](int64_t size, int64_t multiple, int64_t limit) {
      return size < 0 || size > limit || size % multiple != 0;
    };
    refuse_if(is_wrong(x_.cum_m, 1, GGFP8_MAX_CUM_M), GGFP8_ERROR_INVALID_SHAPE);
    refuse_if(is_wrong(x_.n, 8, GGFP8_MAX_N), GGFP8_ERROR_INVALID_SHAPE);
    refuse_if(is_wrong(x_.k, 16, GGFP8_MAX_K), GGFP8_ERROR_INVALID_SHAPE);
    refuse_if(is_wrong(x_.batch_size, 1, GGFP8_MAX_BATCH_SIZE), GGFP8_ERROR_INVALID_SHAPE);
    refuse_if(is_masked() && x_.batch_size > 0 && x_.cum_m % x_.batch_size != 0,
              GGFP8_ERROR_INVALID_SHAPE);
    refuse_if(x_.expected_m < 0, GGFP8_ERROR_INVALID_SHAPE);
  }

  void judge_groups() {
    const bool is_int64 = x_.group_dtype == GGFP8_DTYPE_INT64;
    const bool has_alignment =
        x_.group_layout == GGFP8_GROUPS_ENDS || x_.group_layout == GGFP8_GROUPS_COUNTS;
    refuse_if(!is_one_of(x_.group_layout, {0, 1, 2, 3}), GGFP8_ERROR_INVALID_GROUP_LAYOUT);
    refuse_if(!is_one_of(x_.group_dtype, {0, 6, 7}), GGFP8_ERROR_INVALID_DTYPE);
    refuse_if(x_.group_alignment < 0, GGFP8_ERROR_INVALID_GROUP_LAYOUT);
    refuse_if(x_.group_alignment > 1 && !has_alignment, GGFP8_ERROR_INVALID_GROUP_LAYOUT);
    refuse_if(x_.expected_m > 0 && !is_masked(), GGFP8_ERROR_INVALID_GROUP_LAYOUT);
    const bool is_m_indptr = x_.group_layout == GGFP8_GROUPS_INDPTR && !is_int64;
    refuse_if(x_.m_indptr != nullptr && (x_.groups != nullptr || !is_m_indptr),
              GGFP8_ERROR_INVALID_GROUP_LAYOUT);
    for (int64_t stride : {x_.a_group_stride, x_.out_group_stride, x_.a_scale_group_stride}) {
      refuse_if(stride != 0 && !is_masked(), GGFP8_ERROR_INVALID_GROUP_LAYOUT);
    }
    value_bytes_ = is_int64 ? 8 : 4;
    refuse_if(!is_aligned(group_array(), value_bytes_), GGFP8_ERROR_INVALID_ALIGNMENT);
  }

  static Wide blocks(int64_t size, int64_t block) { return (Wide{size} + block - 1) / block; }
  static bool is_aligned(const void* pointer, int64_t bytes) {
    return reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(bytes) == 0;
  }
  const void* group_array() const { return x_.m_indptr != nullptr ? x_.m_indptr : x_.groups; }
  Wide rows() const {
    return is_masked() && x_.batch_size > 0 ? x_.cum_m / x_.batch_size : x_.cum_m;
  }
  Wide slabs() const { return is_masked() ? x_.batch_size : 1; }

  // The stride in effect; refused where it is below `least` or no multiple.
  Wide stride(int64_t given, Wide dense, Wide least, int64_t multiple, Wide count) {
    const Wide effective = given == 0 ? dense : Wide{given};
    refuse_if(effective < least || effective % multiple != 0, GGFP8_ERROR_INVALID_STRIDE);
    // The header says nothing of how far an array may reach but that it is addressable.
    if (effective * count > Wide{INT64_MAX} / 16) may_be_too_far_ = true;
    return effective;
  }

  void judge_strides() {
    const bool a_mn = x_.scale_major != GGFP8_SCALE_MAJOR_K;
    const bool b_mn = or_default(x_.b_scale_major, x_.scale_major) != GGFP8_SCALE_MAJOR_K;
    const Wide mb = blocks(static_cast<int64_t>(rows()), gm_);
    const Wide nb = blocks(x_.n, gn_), kb = blocks(x_.k, gk_);
    a_fast_ = a_mn ? mb : kb, a_slow_ = a_mn ? kb : mb;
    b_fast_ = b_mn ? nb : kb, b_slow_ = b_mn ? kb : nb;
    a_row_ = stride(x_.a_row_stride, x_.k, x_.k, 16, rows());
    b_row_ = stride(x_.b_row_stride, x_.k, x_.k, 16, x_.n);
    b_group_ = stride(x_.b_group_stride, x_.n * b_row_, x_.n * b_row_, 16, x_.batch_size);
    out_row_ = stride(x_.out_row_stride, x_.n, x_.n, 1, rows());
    a_scale_ = stride(x_.a_scale_stride, a_fast_, a_fast_, 1, a_slow_);
    b_scale_ = stride(x_.b_scale_stride, b_fast_, b_fast_, 1, b_slow_);
    b_scale_group_ =
        stride(x_.b_scale_group_stride, b_slow_ * b_scale_, b_slow_ * b_scale_, 1, x_.batch_size);
    if (is_masked()) judge_slab_strides();
    if (may_be_too_far_) verdict_.refusals.insert(GGFP8_ERROR_INVALID_STRIDE);
  }

  void judge_slab_strides() {
    a_slab_ = stride(x_.a_group_stride, rows() * a_row_, 0, 16, x_.batch_size);
    out_slab_ = stride(x_.out_group_stride, rows() * out_row_, 0, 1, x_.batch_size);
    a_scale_slab_ = stride(x_.a_scale_group_stride, a_slow_ * a_scale_, 0, 1, x_.batch_size);
    const bool one_by_one = out_slab_ >= (rows() - 1) * out_row_ + x_.n;
    const bool interleaved =
        out_slab_ >= x_.n && out_row_ >= (Wide{x_.batch_size} - 1) * out_slab_ + x_.n;
    refuse_if(x_.cum_m != 0 && !one_by_one && !interleaved, GGFP8_ERROR_INVALID_STRIDE);
  }

  // An empty call asks no backend, and a device only for the group array that is to be checked.
  void add_device() {
    const bool checks_groups =
        (x_.flags & GGFP8_FLAG_VALIDATE_M_INDPTR) != 0 && group_array() != nullptr;
    if (verdict_.empty && !checks_groups) return;
    if (verdict_.empty) {
      return refuse_if(x_.device_type != GGFP8_DEVICE_CPU, GGFP8_ERROR_NO_DRIVER);
    }
    refuse_if(x_.device_type != GGFP8_DEVICE_CPU, GGFP8_ERROR_NO_DRIVER);  // built without CUDA
    refuse_if(x_.device_type == GGFP8_DEVICE_CPU && x_.device_id != 0, GGFP8_ERROR_INVALID_DEVICE);
    const bool is_named = x_.backend != nullptr && x_.backend[0] != '\0';
    refuse_if(is_named && std::strcmp(x_.backend, "cpu") != 0, GGFP8_ERROR_UNKNOWN_BACKEND);
  }

  void add_pointers() {
    if (verdict_.empty) return;
    const bool has_k = x_.k != 0;
    const void* const inputs[] = {x_.a, x_.b, x_.a_scale, x_.b_scale};
    for (const void* input : inputs) {
      refuse_if(has_k && input == nullptr, GGFP8_ERROR_INVALID_ARGUMENT);
    }
    refuse_if(x_.out == nullptr || group_array() == nullptr, GGFP8_ERROR_INVALID_ARGUMENT);
    refuse_if(!is_aligned(x_.a_scale, 4) || !is_aligned(x_.b_scale, 4),
              GGFP8_ERROR_INVALID_ALIGNMENT);
    refuse_if(!is_aligned(x_.out, x_.out_dtype == GGFP8_DTYPE_FLOAT32 ? 4 : 2),
              GGFP8_ERROR_INVALID_ALIGNMENT);
  }

  void add_needs() {
    const auto bytes = [](Wide n0, Wide s0, Wide n1, Wide s1, Wide n2, Wide element_bytes) {
      const bool has_elements = n0 > 0 && n1 > 0 && n2 > 0;
      return has_elements ? ((n0 - 1) * s0 + (n1 - 1) * s1 + n2) * element_bytes : Wide{0};
    };
    const Wide groups = x_.batch_size;
    const Wide num_values = groups + (x_.group_layout == GGFP8_GROUPS_INDPTR ? 1 : 0);
    verdict_.needs = {bytes(slabs(), a_slab_, rows(), a_row_, x_.k, 1),
                      bytes(groups, b_group_, x_.n, b_row_, x_.k, 1),
                      bytes(slabs(), a_scale_slab_, a_slow_, a_scale_, a_fast_, 4),
                      bytes(groups, b_scale_group_, b_slow_, b_scale_, b_fast_, 4),
                      num_values * value_bytes_,
                      bytes(slabs(), out_slab_, rows(), out_row_, x_.n,
                            x_.out_dtype == GGFP8_DTYPE_FLOAT32 ? 4 : 2)};
  }

  const Args& x_;
  Verdict verdict_;
  int64_t gm_ = 1, gn_ = 128, gk_ = 128, value_bytes_ = 4;
  bool may_be_too_far_ = false;
  Wide a_fast_ = 0, a_slow_ = 0, b_fast_ = 0, b_slow_ = 0;
  Wide a_row_ = 0, b_row_ = 0, out_row_ = 0, a_scale_ = 0, b_scale_ = 0;
  Wide b_group_ = 0, b_scale_group_ = 0, a_slab_ = 0, out_slab_ = 0, a_scale_slab_ = 0;
};

}  // namespace

Verdict judge(const ggfp8_group_gemm_args& args) {
  return Judge(args).judge();
}

}  // namespace fuzz
