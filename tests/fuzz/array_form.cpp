#include "array_form.h"

namespace fuzz {
namespace {

void set_fp8(int32_t dtype, ArrayForm* form) {
  form->code =
      dtype == GGFP8_DTYPE_FLOAT8_E5M2 ? GGFP8_DLPACK_FLOAT8_E5M2 : GGFP8_DLPACK_FLOAT8_E4M3FN;
  form->bits = 8;
}

void set_out(int32_t dtype, ArrayForm* form) {
  const bool is_bfloat16 = dtype == 0 || dtype == GGFP8_DTYPE_BFLOAT16;
  form->code = is_bfloat16 ? GGFP8_DLPACK_BFLOAT : GGFP8_DLPACK_FLOAT;
  form->bits = dtype == GGFP8_DTYPE_FLOAT32 ? 32 : 16;
}

}  // namespace

std::vector<ArrayForm> forms_of(const ProductCase& product) {
  const Args& x = product.args();
  const int64_t rows = product.rows_per_slab(), mb = product.num_m_blocks();
  const int64_t nb = product.num_n_blocks(), kb = product.num_k_blocks();
  const bool a_mn = product.a_scale_is_mn(), b_mn = product.b_scale_is_mn();
  std::vector<ArrayForm> forms(kNumArrays);
  forms[kA] = {const_cast<void*>(x.a), {rows, x.k}, {x.a_row_stride, 1}};
  forms[kB] = {
      const_cast<void*>(x.b), {x.batch_size, x.n, x.k}, {x.b_group_stride, x.b_row_stride, 1}};
  forms[kAScale] = {
      const_cast<float*>(x.a_scale), {a_mn ? kb : mb, a_mn ? mb : kb}, {x.a_scale_stride, 1}};
  forms[kBScale] = {const_cast<float*>(x.b_scale),
                    {x.batch_size, b_mn ? kb : nb, b_mn ? nb : kb},
                    {x.b_scale_group_stride, x.b_scale_stride, 1}};
  forms[kGroups] = {const_cast<void*>(product.group_array()), {product.num_group_values()}, {1}};
  forms[kOut] = {x.out, {rows, x.n}, {x.out_row_stride, 1}};
  if (x.group_layout == GGFP8_GROUPS_MASKED) {
    const auto add_slabs = [&](ArrayForm& form, int64_t stride) {
      form.shape.insert(form.shape.begin(), x.batch_size);
      form.strides.insert(form.strides.begin(), stride);
    };
    add_slabs(forms[kA], x.a_group_stride);
    add_slabs(forms[kAScale], x.a_scale_group_stride);
    add_slabs(forms[kOut], x.out_group_stride);
  }
  set_fp8(x.a_dtype, &forms[kA]);
  set_fp8(x.b_dtype, &forms[kB]);
  set_out(x.out_dtype, &forms[kOut]);
  for (int idx : {kAScale, kBScale}) forms[idx].code = GGFP8_DLPACK_FLOAT, forms[idx].bits = 32;
  forms[kGroups].code = GGFP8_DLPACK_INT;
  forms[kGroups].bits = x.group_dtype == GGFP8_DTYPE_INT64 ? 64 : 32;
  return forms;
}

ggfp8_group_gemm_options options_of(const ProductCase& product) {
  const Args& x = product.args();
  ggfp8_group_gemm_options options = GGFP8_GROUP_GEMM_OPTIONS_INIT;
  options.backend = x.backend;
  options.scale_granularity_m = x.scale_granularity_m;
  options.scale_granularity_n = x.scale_granularity_n;
  options.scale_granularity_k = x.scale_granularity_k;
  options.scale_major = x.scale_major;
  options.b_scale_major = x.b_scale_major;
  options.mma_sm = x.mma_sm;
  options.flags = x.flags;
  options.group_layout = x.group_layout;
  options.group_alignment = x.group_alignment;
  options.expected_m = x.expected_m;
  return options;
}

}  // namespace fuzz
