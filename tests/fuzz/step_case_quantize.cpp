// Legal calls of the steps that quantise. The scale of a block is a power of two, and its elements
// are the largest value times that scale, a half or a quarter of it, or zero.
#include <algorithm>

#include "step_case.h"
#include "step_values.h"

namespace fuzz {
namespace {

constexpr float kGate = 64.0f;  // silu(kGate) is kGate

struct Fp8Value {
  float value;
  uint8_t code;
};

Fp8Value fp8_value(bool is_e5m2, int64_t halvings, bool negative) {
  if (halvings == 3) return {negative ? -0.0f : 0.0f, static_cast<uint8_t>(negative ? 0x80 : 0)};
  const int64_t code = is_e5m2 ? 0x7B - (halvings << 2) : 0x7E - (halvings << 3);
  const float value = (is_e5m2 ? 57344.0f : 448.0f) / static_cast<float>(1 << halvings);
  return {negative ? -value : value, static_cast<uint8_t>(code | (negative ? 0x80 : 0))};
}

// Sizes and strides of a quantisation, defaults filled in.
struct Form {
  int64_t batch, x_rows, out_rows, k, block_rows, block_k;
  int64_t x_stride, x_batch, out_stride, out_batch, scale_stride, scale_batch;
  bool is_mn, is_e5m2, is_gated;
  int32_t x_dtype;

  int64_t row_blocks() const { return num_blocks(out_rows, block_rows); }
  int64_t k_blocks() const { return num_blocks(k, block_k); }
  int64_t fast() const { return is_mn ? row_blocks() : k_blocks(); }
  int64_t slow() const { return is_mn ? k_blocks() : row_blocks(); }

  int64_t x_bytes() const {
    const int64_t row = is_gated ? 2 * k : k;
    return ((batch - 1) * x_batch + (x_rows - 1) * x_stride + row) * float_bytes(x_dtype);
  }
  int64_t out_bytes() const { return (batch - 1) * out_batch + (out_rows - 1) * out_stride + k; }
  int64_t scale_bytes() const {
    return ((batch - 1) * scale_batch + (slow() - 1) * scale_stride + fast()) * 4;
  }
  int64_t scale_idx(int64_t matrix, int64_t row_block, int64_t k_block) const {
    return matrix * scale_batch +
           (is_mn ? k_block * scale_stride + row_block : row_block * scale_stride + k_block);
  }
};

// Values and codes of the rows of x, written into x, from which rows of out are expected.
class Rows {
 public:
  Rows(Random& random, const Form& form, void* x) : form_(form) {
    const int64_t num_scales = form.batch * num_blocks(form.x_rows, form.block_rows);
    for (int64_t i = 0; i < num_scales * form.k_blocks(); ++i) {
      scales_.push_back(random.one_of({0.25f, 0.5f, 1.0f}));
    }
    for (int64_t matrix = 0; matrix < form.batch; ++matrix) {
      for (int64_t row = 0; row < form.x_rows; ++row) fill_row(random, matrix, row, x);
    }
  }

  void expect(int64_t matrix, int64_t source, int64_t target, StepArray* out,
              StepArray* scale) const {
    const auto begin = static_cast<size_t>(matrix * form_.out_batch + target * form_.out_stride);
    const auto codes = codes_.begin() + (matrix * form_.x_rows + source) * form_.k;
    std::copy(codes, codes + form_.k, out->expected.begin() + static_cast<int64_t>(begin));
    for (int64_t block = 0; block < form_.k_blocks(); ++block) {
      const int64_t idx = form_.scale_idx(matrix, target / form_.block_rows, block);
      put_float(scale->expected.data(), idx, GGFP8_DTYPE_FLOAT32, scale_of(matrix, source, block));
    }
  }

 private:
  float scale_of(int64_t matrix, int64_t row, int64_t block) const {
    const int64_t row_block =
        matrix * num_blocks(form_.x_rows, form_.block_rows) + row / form_.block_rows;
    return scales_[static_cast<size_t>(row_block * form_.k_blocks() + block)];
  }
  void fill_row(Random& random, int64_t matrix, int64_t row, void* x) {
    const int64_t begin = matrix * form_.x_batch + row * form_.x_stride;
    for (int64_t col = 0; col < form_.k; ++col) {
      const bool is_first = row % form_.block_rows == 0 && col % form_.block_k == 0;
      const Fp8Value chosen =
          is_first ? fp8_value(form_.is_e5m2, 0, false)
                   : fp8_value(form_.is_e5m2, random.uniform(0, 3), random.one_in(2));
      const float value = chosen.value * scale_of(matrix, row, col / form_.block_k);
      codes_.push_back(chosen.code);
      put_float(x, begin + col, form_.x_dtype, form_.is_gated ? kGate : value);
      if (form_.is_gated) put_float(x, begin + form_.k + col, form_.x_dtype, value / kGate);
    }
  }

  const Form& form_;
  std::vector<float> scales_;
  std::vector<uint8_t> codes_;
};

using QuantizeArgs = ggfp8_quantize_groupwise_args;

// Gathers, scatters, or neither.
enum class Way { kPlain, kGathers, kScatters };

Form choose_form(Random& random, Way way, QuantizeArgs* args) {
  QuantizeArgs& x = *args;
  const bool plain = way == Way::kPlain;
  x.batch_size = random.uniform(0, plain ? 3 : 1);
  x.block_rows = plain ? random.one_of({0, 1, 128}) : random.one_of({0, 1});
  x.rows = random.uniform(1, x.block_rows == 128 ? 200 : 20);
  x.k = random.uniform(1, 300);
  x.block_k = random.one_of({0, 32, 64, 96, 128});
  x.x_dtype = any_float_dtype(random);
  x.out_dtype = random.one_of({0, GGFP8_DTYPE_FLOAT8_E4M3FN, GGFP8_DTYPE_FLOAT8_E5M2});
  x.row_index_dtype = random.one_of({0, GGFP8_DTYPE_INT32, GGFP8_DTYPE_INT64});
  x.scale_major = random.one_of({0, GGFP8_SCALE_MAJOR_MN, GGFP8_SCALE_MAJOR_K});
  x.device_type = GGFP8_DEVICE_CPU;
  x.flags = random.one_in(2) ? GGFP8_FLAG_POWER_OF_TWO_SCALES : 0u;
  if (way == Way::kGathers) x.x_rows = random.uniform(1, 20);
  if (way == Way::kScatters) x.top_k = random.uniform(0, 4);
  if (way == Way::kScatters) x.out_rows = x.rows * x.top_k + random.uniform(1, 4);
  Form form = {};
  form.batch = or_default(x.batch_size, 1);
  form.x_rows = way == Way::kGathers ? x.x_rows : x.rows;
  form.out_rows = way == Way::kScatters ? x.out_rows : x.rows;
  form.k = x.k;
  form.block_rows = or_default(x.block_rows, 1);
  form.block_k = or_default(x.block_k, 128);
  form.is_mn = x.scale_major != GGFP8_SCALE_MAJOR_K;
  form.is_e5m2 = x.out_dtype == GGFP8_DTYPE_FLOAT8_E5M2;
  form.x_dtype = x.x_dtype;
  form.x_stride = any_stride(random, x.k, &x.x_row_stride);
  form.x_batch = any_stride(random, form.x_rows * form.x_stride, &x.x_batch_stride);
  form.out_stride = any_stride(random, x.k, &x.out_row_stride);
  form.out_batch = any_stride(random, form.out_rows * form.out_stride, &x.out_batch_stride);
  form.scale_stride = any_stride(random, form.fast(), &x.scale_stride);
  form.scale_batch = any_stride(random, form.slow() * form.scale_stride, &x.scale_batch_stride);
  return form;
}

void gather(Random& random, const QuantizeArgs& args, const Rows& rows,
            StepCase<QuantizeArgs>* made) {
  for (int64_t i = 0; i < args.rows; ++i) {
    const int64_t source = random.one_in(4) ? random.hostile() : random.uniform(0, args.x_rows - 1);
    const bool is_int64 = args.row_index_dtype == GGFP8_DTYPE_INT64;
    const int64_t held = is_int64 ? source : static_cast<int32_t>(source);
    put_index(made->arrays[1]->memory->as<void>(), i, args.row_index_dtype, held);
    if (held < 0 || held >= args.x_rows) continue;
    rows.expect(0, held, i, made->arrays[2].get(), made->arrays[3].get());
  }
}

// Each row of out is the target of one pair at most.
void scatter(Random& random, const QuantizeArgs& args, int64_t stride, const Rows& rows,
             StepCase<QuantizeArgs>* made) {
  int64_t next = 0;
  for (int64_t row = 0; row < args.rows; ++row) {
    for (int64_t j = 0; j < args.top_k; ++j) {
      const bool is_away = random.one_in(4);
      const int64_t target =
          is_away ? random.one_of<int64_t>({-1, INT32_MIN, args.out_rows, INT32_MAX}) : next++;
      put_index(made->arrays[4]->memory->as<void>(), row * stride + j, GGFP8_DTYPE_INT32, target);
      if (is_away) continue;
      rows.expect(0, row, target, made->arrays[2].get(), made->arrays[3].get());
    }
  }
}

}  // namespace

StepCase<QuantizeArgs> make_quantize_case(Random& random) {
  StepCase<QuantizeArgs> made{GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT, {}};
  QuantizeArgs& x = made.args;
  const Way way = random.one_of({Way::kPlain, Way::kGathers, Way::kScatters});
  const Form form = choose_form(random, way, &x);
  const bool gathers = way == Way::kGathers, scatters = way == Way::kScatters;
  const int64_t position_stride =
      scatters ? any_stride(random, x.top_k, &x.position_row_stride) : 0;
  StepArray& in = add_array(&made, random, form.x_bytes(), false);
  add_array(&made, random, gathers ? x.rows * index_bytes(x.row_index_dtype) : 0, false);
  StepArray& out = add_array(&made, random, form.out_bytes(), true);
  StepArray& scale = add_array(&made, random, form.scale_bytes(), true);
  add_array(&made, random, scatters ? ((x.rows - 1) * position_stride + x.top_k) * 4 : 0, false);
  x.x = in.memory->as<void>();
  if (gathers) x.row_index = made.arrays[1]->memory->as<void>();
  x.out = out.memory->as<void>();
  x.scale = scale.memory->as<float>();
  if (scatters) x.position = made.arrays[4]->memory->as<int32_t>();
  const Rows rows(random, form, in.memory->as<void>());
  if (gathers) {
    gather(random, x, rows, &made);
  } else if (scatters) {
    scatter(random, x, position_stride, rows, &made);
  } else {
    for (int64_t matrix = 0; matrix < form.batch; ++matrix) {
      for (int64_t row = 0; row < x.rows; ++row) rows.expect(matrix, row, row, &out, &scale);
    }
  }
  return made;
}

StepCase<ggfp8_silu_mul_quantize_groupwise_args> make_silu_case(Random& random) {
  StepCase<ggfp8_silu_mul_quantize_groupwise_args> made{GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_ARGS_INIT,
                                                        {}};
  ggfp8_silu_mul_quantize_groupwise_args& x = made.args;
  QuantizeArgs like = GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT;
  Form form = choose_form(random, Way::kGathers, &like);
  form.is_gated = true;
  form.x_rows = form.out_rows;
  form.x_stride = any_stride(random, 2 * form.k, &x.gate_up_row_stride);
  x.rows = form.out_rows;
  x.k = form.k;
  x.batch_size = random.uniform(0, 3);
  x.out_row_stride = like.out_row_stride;
  x.scale_stride = like.scale_stride;
  x.limit = random.one_of({0.0f, 1000.0f});  // which nothing reaches
  x.gate_up_dtype = like.x_dtype;
  x.out_dtype = like.out_dtype;
  x.block_k = like.block_k;
  x.scale_major = like.scale_major;
  x.device_type = GGFP8_DEVICE_CPU;
  x.flags = like.flags;
  const bool has_groups = random.one_in(2);
  StepArray& in = add_array(&made, random, form.x_bytes(), false);
  StepArray& bounds = add_array(&made, random, has_groups ? (x.batch_size + 1) * 4 : 0, false);
  StepArray& out = add_array(&made, random, form.out_bytes(), true);
  StepArray& scale = add_array(&made, random, form.scale_bytes(), true);
  x.gate_up = in.memory->as<void>();
  x.out = out.memory->as<void>();
  x.scale = scale.memory->as<float>();
  int64_t begin = 0, end = x.rows;
  if (has_groups) {
    x.m_indptr = bounds.memory->as<int32_t>();
    for (int64_t i = 0; i <= x.batch_size; ++i) {
      const auto bound =
          static_cast<int32_t>(random.one_in(4) ? random.hostile() : random.uniform(0, x.rows));
      put_index(bounds.memory->as<void>(), i, GGFP8_DTYPE_INT32, bound);
      if (i == 0) begin = bound;
      if (i == x.batch_size) end = bound;
    }
  }
  const Rows rows(random, form, in.memory->as<void>());
  for (int64_t row = std::max<int64_t>(begin, 0); row < std::min(end, x.rows); ++row) {
    rows.expect(0, row, row, &out, &scale);
  }
  return made;
}

}  // namespace fuzz
