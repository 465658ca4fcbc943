// Random and hostile arrays for the function that takes arrays: a legal call has the exact result;
// every hostile change is refused with a status that belongs to it, and out is untouched.
//
//   tensors_fuzz [SECONDS [SEED]]
#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include "array_form.h"
#include "campaign.h"

namespace {

using fuzz::ArrayForm;
using fuzz::Random;

// The arguments of one call. Sizes and strides have room for more axes than any array has.
struct Call {
  static constexpr int32_t kMaxAxes = 8;

  std::array<ggfp8_tensor, fuzz::kNumArrays> tensors = {};
  std::array<std::array<int64_t, kMaxAxes>, fuzz::kNumArrays> shapes = {}, strides = {};
  std::array<const ggfp8_tensor*, fuzz::kNumArrays> pointers = {};
  ggfp8_group_gemm_options options;

  explicit Call(const fuzz::ProductCase& product) : options(fuzz::options_of(product)) {
    const std::vector<ArrayForm> forms = fuzz::forms_of(product);
    for (size_t i = 0; i < forms.size(); ++i) {
      ggfp8_tensor& tensor = tensors[i];
      tensor.data = forms[i].data;
      tensor.device_type = GGFP8_DEVICE_CPU;
      tensor.ndim = static_cast<int32_t>(forms[i].shape.size());
      tensor.dtype_code = forms[i].code;
      tensor.dtype_bits = forms[i].bits;
      tensor.dtype_lanes = 1;
      shapes[i].fill(1);
      strides[i].fill(1);
      std::copy(forms[i].shape.begin(), forms[i].shape.end(), shapes[i].begin());
      std::copy(forms[i].strides.begin(), forms[i].strides.end(), strides[i].begin());
      tensor.shape = shapes[i].data();
      tensor.strides = strides[i].data();
      pointers[i] = &tensor;
    }
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  int32_t run() {
    return ggfp8_group_gemm_nt_groupwise_tensors(
        pointers[fuzz::kA], pointers[fuzz::kB], pointers[fuzz::kAScale], pointers[fuzz::kBScale],
        pointers[fuzz::kGroups], pointers[fuzz::kOut], nullptr, &options, nullptr);
  }

  // Axes that an array has memory for, whatever its number of axes has become.
  int32_t num_axes(size_t idx) const { return std::min(tensors[idx].ndim, kMaxAxes); }

  bool has_elements(size_t idx) const {
    for (int32_t axis = 0; axis < num_axes(idx); ++axis) {
      if (tensors[idx].shape[axis] == 0) return false;
    }
    return true;
  }
};

using Statuses = std::set<int32_t>;

constexpr int32_t kShape = GGFP8_ERROR_INVALID_SHAPE;
constexpr int32_t kStride = GGFP8_ERROR_INVALID_STRIDE;
constexpr int32_t kArgument = GGFP8_ERROR_INVALID_ARGUMENT;

// Each change returns the statuses that belong to it: none where it left the call legal.
Statuses change_shape(Random& random, Call& call, size_t idx) {
  ggfp8_tensor& tensor = call.tensors[idx];
  if (random.one_in(4)) {
    tensor.ndim = random.one_of({tensor.ndim + 1, tensor.ndim - 1, -1, 65, INT32_MAX, INT32_MIN});
    return {kShape};
  }
  if (call.num_axes(idx) < 1) return {};
  int64_t& size = call.shapes[idx][static_cast<size_t>(random.uniform(0, call.num_axes(idx) - 1))];
  const int64_t before = size;
  size = random.hostile();
  return size == before ? Statuses{} : Statuses{kShape, kStride};
}

Statuses change_dtype(Random& random, Call& call, size_t idx) {
  ggfp8_tensor& tensor = call.tensors[idx];
  switch (random.uniform(0, 2)) {
    case 0: tensor.dtype_lanes = static_cast<uint16_t>(random.one_of({0, 2, 65535})); break;
    case 1: tensor.dtype_bits = static_cast<uint8_t>(random.one_of({0, 1, 4, 24, 128})); break;
    default: tensor.dtype_code = static_cast<uint8_t>(random.one_of({5, 6, 9, 11, 17, 255}));
  }
  return {GGFP8_ERROR_INVALID_DTYPE};
}

Statuses change_device(Random& random, Call& call, size_t idx) {
  call.tensors[idx].device_type = random.one_of({0, 2, 4, 10, 13, 99, -1});
  return {GGFP8_ERROR_INVALID_DEVICE};
}

Statuses change_memory(Random& random, Call& call, size_t idx) {
  ggfp8_tensor& tensor = call.tensors[idx];
  if (random.one_in(2)) {
    tensor.data = nullptr;
    return call.has_elements(idx) ? Statuses{kArgument} : Statuses{};
  }
  const bool has_elements = call.has_elements(idx);
  if (tensor.dtype_bits <= 8 || tensor.data == nullptr || !has_elements) return {};
  tensor.byte_offset = 1;
  return {GGFP8_ERROR_INVALID_ALIGNMENT};
}

// Scales are left out: a_scale may have swapped axes.
Statuses change_stride(Random& random, Call& call, size_t idx) {
  const ggfp8_tensor& tensor = call.tensors[idx];
  const bool is_scale = idx == fuzz::kAScale || idx == fuzz::kBScale;
  if (is_scale || tensor.ndim < 1 || tensor.ndim > Call::kMaxAxes) return {};
  if (!call.has_elements(idx)) return {};
  const auto axis = static_cast<size_t>(random.uniform(0, tensor.ndim - 1));
  if (call.shapes[idx][axis] <= 1) return {};
  const bool is_last = axis + 1 == static_cast<size_t>(tensor.ndim);
  call.strides[idx][axis] = is_last ? random.one_of<int64_t>({0, 2, -1, INT64_MAX, INT64_MIN})
                                    : random.one_of<int64_t>({0, -1, INT64_MAX, INT64_MIN});
  return {kStride};
}

Statuses change_options(Random& random, Call& call) {
  ggfp8_group_gemm_options& options = call.options;
  switch (random.uniform(0, 8)) {
    case 0: return options.mma_sm = 3, Statuses{GGFP8_ERROR_INVALID_MMA_SM};
    case 1: return options.scale_major = -1, Statuses{GGFP8_ERROR_INVALID_SCALE_MAJOR};
    case 2: return options.b_scale_major = 9, Statuses{GGFP8_ERROR_INVALID_SCALE_MAJOR};
    case 3: return options.scale_granularity_k = 48, Statuses{GGFP8_ERROR_INVALID_GRANULARITY};
    case 4: return options.group_layout = 7, Statuses{GGFP8_ERROR_INVALID_GROUP_LAYOUT};
    case 5: return options.flags = 1u << 30, Statuses{kArgument};
    case 6: return options.group_alignment = -1, Statuses{GGFP8_ERROR_INVALID_GROUP_LAYOUT};
    case 7: return options.expected_m = INT64_MIN, Statuses{kShape};
    default: return options.struct_size = 8, Statuses{GGFP8_ERROR_INVALID_STRUCT_SIZE};
  }
}

Statuses change(Random& random, Call& call, size_t idx) {
  switch (random.uniform(0, 6)) {
    case 0: return change_dtype(random, call, idx);
    case 1: return change_device(random, call, idx);
    case 2: return change_memory(random, call, idx);
    case 3: return change_stride(random, call, idx);
    case 4: return change_options(random, call);
    case 5: return call.pointers[idx] = nullptr, Statuses{kArgument};
    default: return change_shape(random, call, idx);
  }
}

int64_t num_legal = 0, num_refused = 0;

bool fail(uint64_t seed, const char* what, int32_t status) {
  std::fprintf(stderr, "tensors_fuzz: seed %llu: %s, status %d: %s\n",
               static_cast<unsigned long long>(seed), what, status, ggfp8_last_error());
  return false;
}

bool run_changed(fuzz::ProductCase& product, Random& random, uint64_t seed) {
  Call call(product);
  Statuses allowed;
  // At most one change of an array: a second could take back the first.
  const int64_t first = random.uniform(0, fuzz::kNumArrays - 1);
  for (int64_t edit = random.uniform(0, 1); edit < 2; ++edit) {
    const auto idx = static_cast<size_t>((first + edit) % fuzz::kNumArrays);
    const Statuses statuses = change(random, call, idx);
    allowed.insert(statuses.begin(), statuses.end());
  }
  if (allowed.empty()) return true;
  product.clear_out();
  const int32_t status = call.run();
  ++num_refused;
  if (allowed.count(status) == 0) return fail(seed, "another status is due", status);
  return product.out_is_untouched() || fail(seed, "out was touched", status);
}

bool run_case(uint64_t seed) {
  Random random(seed);
  fuzz::ProductCase product(random);
  product.clear_out();
  Call legal(product);
  const int32_t status = legal.run();
  if (status != GGFP8_SUCCESS) return fail(seed, "a legal call was refused", status);
  if (!product.out_is_right()) return fail(seed, "a wrong result", status);
  ++num_legal;
  for (int i = 0; i < 40; ++i) {
    if (!run_changed(product, random, seed)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (!fuzz::run_for_a_while(argc, argv, run_case)) return 1;
  std::printf("tensors_fuzz: %lld legal calls right, %lld changed calls refused\n",
              static_cast<long long>(num_legal), static_cast<long long>(num_refused));
  return 0;
}
