#include "product_case.h"

#include <cmath>
#include <cstring>

namespace fuzz {
namespace {

constexpr unsigned char kPattern = 0xA5;

int64_t or_default(int64_t value, int64_t fallback) {
  return value == 0 ? fallback : value;
}

int64_t out_bytes(int32_t dtype) {
  return dtype == GGFP8_DTYPE_FLOAT32 ? 4 : 2;
}

// Codes of -2, -1, -0.5, 0, 0.5, 1 and 2, and the value of such a code.
uint8_t small_code(Random& random, int32_t dtype) {
  const bool is_e5m2 = dtype == GGFP8_DTYPE_FLOAT8_E5M2;
  const int exponent = static_cast<int>(random.uniform(-2, 1));
  if (exponent == -2) return 0;
  const int magnitude = is_e5m2 ? (exponent + 15) << 2 : (exponent + 7) << 3;
  return static_cast<uint8_t>(magnitude | (random.one_in(2) ? 0x80 : 0));
}

double small_value(uint8_t code, int32_t dtype) {
  if (code == 0) return 0;
  const int magnitude = code & 0x7F;
  const bool is_e5m2 = dtype == GGFP8_DTYPE_FLOAT8_E5M2;
  const int exponent = is_e5m2 ? (magnitude >> 2) - 15 : (magnitude >> 3) - 7;
  return std::ldexp((code & 0x80) != 0 ? -1.0 : 1.0, exponent);
}

// The value of an element of out as double, for finite values.
double out_value(const void* element, int32_t dtype) {
  if (dtype == GGFP8_DTYPE_FLOAT32) {
    float value = 0;
    std::memcpy(&value, element, sizeof value);
    return static_cast<double>(value);
  }
  uint16_t bits = 0;
  std::memcpy(&bits, element, sizeof bits);
  const bool is_float16 = dtype == GGFP8_DTYPE_FLOAT16;
  const int fraction_bits = is_float16 ? 10 : 7, bias = is_float16 ? 15 : 127;
  const int exponent = (bits & 0x7FFF) >> fraction_bits;
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const int significand = exponent == 0 ? fraction : fraction + (1 << fraction_bits);
  const double magnitude =
      std::ldexp(significand, (exponent == 0 ? 1 : exponent) - bias - fraction_bits);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

// Whether got is the nearest value of the type to wanted, even where two are equally near.
bool is_rounded(double got, double wanted, int32_t dtype) {
  const int digits = dtype == GGFP8_DTYPE_FLOAT32 ? 24 : dtype == GGFP8_DTYPE_FLOAT16 ? 11 : 8;
  if (wanted == 0) return got == 0;
  int exponent = 0;
  std::frexp(wanted, &exponent);
  return got ==
         std::ldexp(std::nearbyint(std::ldexp(wanted, digits - exponent)), exponent - digits);
}

}  // namespace

ProductCase::ProductCase(Random& random, Form form) : form_(form) {
  choose_codes(random);
  choose_sizes(random);
  choose_groups(random);
  choose_strides(random);
  make_arrays(random);
}

int64_t ProductCase::num_slabs() const {
  return args_.group_layout == GGFP8_GROUPS_MASKED ? args_.batch_size : 1;
}

bool ProductCase::b_scale_is_mn() const {
  return or_default(args_.b_scale_major, args_.scale_major) != GGFP8_SCALE_MAJOR_K;
}

int64_t ProductCase::rows_per_slab() const {
  const bool is_masked = args_.group_layout == GGFP8_GROUPS_MASKED && args_.batch_size > 0;
  return is_masked ? args_.cum_m / args_.batch_size : args_.cum_m;
}

void ProductCase::choose_codes(Random& random) {
  Args& x = args_;
  x.device_type = GGFP8_DEVICE_CPU;
  x.a_dtype = random.one_of({0, GGFP8_DTYPE_FLOAT8_E4M3FN, GGFP8_DTYPE_FLOAT8_E5M2});
  x.b_dtype = random.one_of({0, GGFP8_DTYPE_FLOAT8_E4M3FN, GGFP8_DTYPE_FLOAT8_E5M2});
  x.out_dtype = random.one_of({0, GGFP8_DTYPE_BFLOAT16, GGFP8_DTYPE_FLOAT16, GGFP8_DTYPE_FLOAT32});
  x.scale_granularity_m = random.one_of({0, 1, 1, 128});
  x.scale_granularity_n = random.one_of({0, 1, 64, 128});
  x.scale_granularity_k = random.one_of({0, 32, 64, 96, 128});
  x.scale_major = random.one_of({0, GGFP8_SCALE_MAJOR_MN, GGFP8_SCALE_MAJOR_K});
  x.b_scale_major = random.one_of({0, GGFP8_SCALE_MAJOR_MN, GGFP8_SCALE_MAJOR_K});
  x.mma_sm = random.one_of({0, 1, 2});
  x.group_layout = random.one_of(
      {GGFP8_GROUPS_INDPTR, GGFP8_GROUPS_ENDS, GGFP8_GROUPS_COUNTS, GGFP8_GROUPS_MASKED});
  x.group_dtype = random.one_of({0, GGFP8_DTYPE_INT32, GGFP8_DTYPE_INT64});
  x.flags = random.one_in(2) ? GGFP8_FLAG_VALIDATE_M_INDPTR : 0u;
  x.backend = random.one_of<const char*>({nullptr, "", "cpu"});
  gm_ = or_default(x.scale_granularity_m, 1);
  gn_ = or_default(x.scale_granularity_n, 128);
  gk_ = or_default(x.scale_granularity_k, 128);
}

void ProductCase::choose_sizes(Random& random) {
  args_.n = 8 * random.uniform(0, 12);
  args_.k = 16 * random.uniform(0, 20);
  args_.batch_size = random.uniform(0, 5);
  args_.cum_m = random.uniform(0, 40);
  if (gm_ == 128 && random.one_in(2)) args_.cum_m += 256;
  if (args_.group_layout == GGFP8_GROUPS_MASKED) {
    args_.cum_m = args_.batch_size * random.uniform(0, gm_ == 128 ? 140 : 20);
    args_.expected_m = random.uniform(0, 3);
  }
}

// Groups begin at multiples of gm and of the alignment, which is a multiple of gm.
void ProductCase::choose_groups(Random& random) {
  const bool has_alignment =
      args_.group_layout == GGFP8_GROUPS_ENDS || args_.group_layout == GGFP8_GROUPS_COUNTS;
  const int64_t alignment = has_alignment ? gm_ * random.one_of<int64_t>({1, 1, 2, 3}) : 1;
  args_.group_alignment = static_cast<int32_t>(alignment);
  const int64_t step = has_alignment ? alignment : gm_;
  int64_t end = 0;
  if (args_.group_layout == GGFP8_GROUPS_INDPTR) {
    end = step * random.uniform(0, args_.cum_m / step / 2);
    values_.push_back(end);
  }
  for (int64_t g = 0; g < args_.batch_size; ++g) {
    const bool is_masked = args_.group_layout == GGFP8_GROUPS_MASKED;
    const int64_t first = is_masked ? 0 : blocks(end, step) * step;
    const int64_t left = (is_masked ? rows_per_slab() : args_.cum_m) - first;
    int64_t count = left <= 0 || random.one_in(4) ? 0 : random.uniform(0, left);
    if (args_.group_layout == GGFP8_GROUPS_INDPTR) count = count / step * step;
    if (count > 0 || args_.group_layout == GGFP8_GROUPS_INDPTR) end = first + count;
    first_rows_.push_back(first);
    last_rows_.push_back(first + count);
    const bool is_bound =
        args_.group_layout == GGFP8_GROUPS_INDPTR || args_.group_layout == GGFP8_GROUPS_ENDS;
    values_.push_back(is_bound ? end : count);
  }
}

void ProductCase::choose_strides(Random& random) {
  Args& x = args_;
  const bool dense = form_ == Form::kXla || random.one_in(2);
  const auto more = [&](int64_t least, int64_t step) {
    return dense ? least : least + step * random.uniform(0, 2);
  };
  const int64_t rows = rows_per_slab();
  const int64_t mb = num_m_blocks(), nb = num_n_blocks(), kb = num_k_blocks();
  const bool a_mn = a_scale_is_mn();
  const bool b_mn = b_scale_is_mn();
  x.a_row_stride = more(x.k, 16);
  x.b_row_stride = more(x.k, 16);
  x.b_group_stride = more(x.n * x.b_row_stride, 16);
  x.out_row_stride = more(x.n, 1);
  x.a_scale_stride = more(a_mn ? mb : kb, 1);
  x.b_scale_stride = more(b_mn ? nb : kb, 1);
  x.b_scale_group_stride = more((b_mn ? kb : nb) * x.b_scale_stride, 1);
  if (x.group_layout != GGFP8_GROUPS_MASKED) return;
  x.a_group_stride = more(rows * x.a_row_stride, 16);
  x.out_group_stride = more(rows * x.out_row_stride, 1);
  x.a_scale_group_stride = more((a_mn ? kb : mb) * x.a_scale_stride, 1);
}

void ProductCase::make_arrays(Random& random) {
  Args& x = args_;
  const int64_t rows = rows_per_slab(), slabs = num_slabs();
  const int64_t mb = num_m_blocks(), nb = num_n_blocks(), kb = num_k_blocks();
  const bool a_mn = a_scale_is_mn();
  const bool b_mn = b_scale_is_mn();
  // The bytes from an array's first element to its last, of three axes; 0 without elements.
  const auto make = [&](int64_t n0, int64_t s0, int64_t n1, int64_t s1, int64_t n2, int64_t bytes) {
    const int64_t last = (n0 - 1) * s0 + (n1 - 1) * s1 + n2;
    const bool has_elements = n0 > 0 && n1 > 0 && n2 > 0;
    return std::make_unique<GuardedArray>(has_elements ? last * bytes : 0, random.one_in(2));
  };
  a_ = make(slabs, x.a_group_stride, rows, x.a_row_stride, x.k, 1);
  b_ = make(x.batch_size, x.b_group_stride, x.n, x.b_row_stride, x.k, 1);
  a_scale_ =
      make(slabs, x.a_scale_group_stride, a_mn ? kb : mb, x.a_scale_stride, a_mn ? mb : kb, 4);
  b_scale_ = make(x.batch_size, x.b_scale_group_stride, b_mn ? kb : nb, x.b_scale_stride,
                  b_mn ? nb : kb, 4);
  out_ = make(slabs, x.out_group_stride, rows, x.out_row_stride, x.n, out_bytes(x.out_dtype));
  for (int64_t i = 0; i < a_->num_bytes(); ++i)
    a_->as<uint8_t>()[i] = small_code(random, x.a_dtype);
  for (int64_t i = 0; i < b_->num_bytes(); ++i)
    b_->as<uint8_t>()[i] = small_code(random, x.b_dtype);
  for (const GuardedArray* scales : {a_scale_.get(), b_scale_.get()}) {
    for (int64_t i = 0; i < scales->num_bytes() / 4; ++i) {
      scales->as<float>()[i] = static_cast<float>(std::ldexp(1.0, int(random.uniform(-1, 1))));
    }
  }
  const bool is_int64 = x.group_dtype == GGFP8_DTYPE_INT64;
  const auto num_values = static_cast<int64_t>(values_.size());
  groups_ = std::make_unique<GuardedArray>(num_values * (is_int64 ? 8 : 4), random.one_in(2));
  for (int64_t i = 0; i < num_values; ++i) {
    const int64_t value = values_[static_cast<size_t>(i)];
    if (is_int64) groups_->as<int64_t>()[i] = value;
    if (!is_int64) groups_->as<int32_t>()[i] = static_cast<int32_t>(value);
  }
  x.a = a_->as<void>();
  x.b = b_->as<void>();
  x.a_scale = a_scale_->as<float>();
  x.b_scale = b_scale_->as<float>();
  x.out = out_->as<void>();
  const bool is_m_indptr = x.group_layout == GGFP8_GROUPS_INDPTR && !is_int64;
  if (is_m_indptr && random.one_in(2)) {
    x.m_indptr = groups_->as<int32_t>();
  } else {
    x.groups = groups_->as<void>();
  }
}

std::vector<int64_t> ProductCase::capacities() const {
  return {a_->num_bytes(),       b_->num_bytes(),      a_scale_->num_bytes(),
          b_scale_->num_bytes(), groups_->num_bytes(), out_->num_bytes()};
}

void ProductCase::clear_out() {
  out_->fill(kPattern);
}

bool ProductCase::out_is_untouched() const {
  for (int64_t i = 0; i < out_->num_bytes(); ++i) {
    if (out_->as<unsigned char>()[i] != kPattern) return false;
  }
  return true;
}

bool ProductCase::element_is_right(int64_t slab, int64_t row, int64_t col, int64_t group) const {
  const Args& x = args_;
  const bool a_mn = a_scale_is_mn();
  const bool b_mn = b_scale_is_mn();
  double sum = 0;
  for (int64_t k = 0; k < x.k; ++k) {
    const int64_t mb = row / gm_, nb = col / gn_, kb = k / gk_;
    const int64_t a_place = a_mn ? kb * x.a_scale_stride + mb : mb * x.a_scale_stride + kb;
    const int64_t b_place = b_mn ? kb * x.b_scale_stride + nb : nb * x.b_scale_stride + kb;
    const double a_scale = double(x.a_scale[slab * x.a_scale_group_stride + a_place]);
    const double b_scale = double(x.b_scale[group * x.b_scale_group_stride + b_place]);
    const int64_t a_idx = slab * x.a_group_stride + row * x.a_row_stride + k;
    const int64_t b_idx = group * x.b_group_stride + col * x.b_row_stride + k;
    sum += a_scale * b_scale * small_value(a_->as<uint8_t>()[a_idx], x.a_dtype) *
           small_value(b_->as<uint8_t>()[b_idx], x.b_dtype);
  }
  const int64_t idx = slab * x.out_group_stride + row * x.out_row_stride + col;
  const void* element = out_->as<char>() + idx * out_bytes(x.out_dtype);
  return is_rounded(out_value(element, x.out_dtype), sum, x.out_dtype);
}

bool ProductCase::out_is_right() const {
  std::vector<bool> is_written(static_cast<size_t>(out_->num_bytes()), false);
  const int64_t bytes = out_bytes(args_.out_dtype);
  for (int64_t group = 0; group < args_.batch_size; ++group) {
    const bool is_masked = args_.group_layout == GGFP8_GROUPS_MASKED;
    const int64_t slab = is_masked ? group : 0;
    const auto g = static_cast<size_t>(group);
    for (int64_t row = first_rows_[g]; row < last_rows_[g]; ++row) {
      for (int64_t col = 0; col < args_.n; ++col) {
        if (!element_is_right(slab, row, col, group)) return false;
        const int64_t idx = slab * args_.out_group_stride + row * args_.out_row_stride + col;
        for (int64_t i = 0; i < bytes; ++i) is_written[static_cast<size_t>(idx * bytes + i)] = true;
      }
    }
  }
  for (int64_t i = 0; i < out_->num_bytes(); ++i) {
    const bool untouched = out_->as<unsigned char>()[i] == kPattern;
    if (!is_written[static_cast<size_t>(i)] && !untouched) return false;
  }
  return true;
}

}  // namespace fuzz
