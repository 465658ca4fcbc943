// Small problems of the steps around the product for the tools of compute-sanitizer: every kernel,
// small grids and large ones, unaligned arrays, tails, indices and bounds that lead out of arrays.
//
//   steps_driver LIBRARY cuda|cpu
//
// cpu runs the expected results alone and needs no GPU. Device arrays have exactly the bytes that
// the problem has. Every output must equal that of the CPU byte for byte, what is left alone
// included; gates are 0 or so large that silu is exact.
#include <groupgemm_fp8/groupgemm_fp8.h>
#include <groupgemm_fp8/moe.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "device_copy.h"

namespace {

constexpr int32_t kBf16 = GGFP8_DTYPE_BFLOAT16;
constexpr int32_t kF16 = GGFP8_DTYPE_FLOAT16;
constexpr int32_t kF32 = GGFP8_DTYPE_FLOAT32;
constexpr int32_t kFloats[] = {kBf16, kF16, kF32};
constexpr int32_t kFp8[] = {GGFP8_DTYPE_FLOAT8_E4M3FN, GGFP8_DTYPE_FLOAT8_E5M2};
constexpr int32_t kMajors[] = {GGFP8_SCALE_MAJOR_MN, GGFP8_SCALE_MAJOR_K};
constexpr uint8_t kSentinel = 0xA5;

std::mt19937 random_numbers(17);

// An array of a step, and the member of its args that points to it.
struct Array {
  size_t member;
  Bytes bytes;
  int64_t offset;  // bytes between an aligned address and the array
  bool is_output;
};

template <class Args>
struct Step {
  Args args;
  std::vector<Array> arrays;

  void add(size_t member, const Bytes& values, int64_t offset = 0, bool is_output = false) {
    Bytes bytes(static_cast<size_t>(offset), 0);
    bytes.insert(bytes.end(), values.begin(), values.end());
    arrays.push_back({member, bytes, offset, is_output});
  }
  void add_output(size_t member, int64_t num_bytes, int64_t offset = 0) {
    add(member, Bytes(static_cast<size_t>(num_bytes), kSentinel), offset, true);
  }
  void point(size_t member, const void* address) {
    std::memcpy(reinterpret_cast<char*>(&args) + member, &address, sizeof address);
  }
};

int64_t ceil_div(int64_t value, int64_t divisor) {
  return (value + divisor - 1) / divisor;
}

int64_t size_of(int32_t dtype) {
  return dtype == kF32 ? 4 : 2;
}

// Small integers, and in every third block of 50 a large one, as floats of a type.
Bytes random_floats(int32_t dtype, int64_t count) {
  static constexpr uint32_t kBits[] = {0x00000000, 0x3F800000, 0xC0000000, 0x40400000,
                                       0xC0A00000, 0x3E800000, 0x80000000, 0x43480000};
  static constexpr uint16_t kHalves[] = {0x0000, 0x3C00, 0xC000, 0x4200,
                                         0xC500, 0x3400, 0x8000, 0x5A40};
  Bytes bytes(static_cast<size_t>(count * size_of(dtype)));
  for (int64_t i = 0; i < count; ++i) {
    const size_t which = random_numbers() % (i % 150 < 50 ? 8 : 7);
    const auto upper = static_cast<uint16_t>(kBits[which] >> 16);
    const void* source = dtype == kF32    ? static_cast<const void*>(&kBits[which])
                         : dtype == kBf16 ? static_cast<const void*>(&upper)
                                          : static_cast<const void*>(&kHalves[which]);
    std::memcpy(&bytes[static_cast<size_t>(i * size_of(dtype))], source,
                static_cast<size_t>(size_of(dtype)));
  }
  return bytes;
}

// Rows of gates that are 0, 100 or 200, each with as many up values.
Bytes random_gates(int32_t dtype, int64_t rows, int64_t k) {
  static constexpr uint32_t kBits[] = {0x00000000, 0x42C80000, 0x43480000};
  static constexpr uint16_t kHalves[] = {0x0000, 0x5640, 0x5A40};
  Bytes bytes = random_floats(dtype, rows * 2 * k);
  for (int64_t i = 0; i < rows * k; ++i) {
    const size_t which = random_numbers() % 3;
    const auto place = static_cast<size_t>((i / k * 2 * k + i % k) * size_of(dtype));
    const auto upper = static_cast<uint16_t>(dtype == kF16 ? kHalves[which] : kBits[which] >> 16);
    const size_t skipped = dtype == kF32 ? 2 : 0;
    if (dtype == kF32) std::memset(&bytes[place], 0, 2);
    std::memcpy(&bytes[place + skipped], &upper, sizeof upper);
  }
  return bytes;
}

template <class Index>
Bytes as_bytes(const std::vector<Index>& values) {
  Bytes bytes(values.size() * sizeof(Index));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// `count` different numbers below end, some replaced by numbers that are no place.
template <class Index>
std::vector<Index> wild_places(int64_t count, int64_t end, bool repeat) {
  std::vector<Index> places(static_cast<size_t>(end));
  std::iota(places.begin(), places.end(), Index{0});
  std::shuffle(places.begin(), places.end(), random_numbers);
  std::vector<Index> wild;
  const Index outside[] = {std::numeric_limits<Index>::min(), -1, static_cast<Index>(end),
                           std::numeric_limits<Index>::max()};
  for (int64_t i = 0; i < count; ++i) {
    const bool is_outside = random_numbers() % 8 == 0 || (!repeat && i >= end);
    wild.push_back(is_outside ? outside[random_numbers() % 4]
                              : places[static_cast<size_t>(repeat ? i % end : i)]);
  }
  return wild;
}

struct Library {
  decltype(&ggfp8_quantize_groupwise) quantize;
  decltype(&ggfp8_silu_mul_quantize_groupwise) silu;
  decltype(&ggfp8_route) route;
  decltype(&ggfp8_route_workspace_size) route_workspace_size;
  decltype(&ggfp8_combine) combine;
  decltype(&ggfp8_last_error) last_error;

  explicit Library(const char* path) {
    void* handle = open_library(path);
    quantize = find<decltype(quantize)>(handle, "ggfp8_quantize_groupwise");
    silu = find<decltype(silu)>(handle, "ggfp8_silu_mul_quantize_groupwise");
    route = find<decltype(route)>(handle, "ggfp8_route");
    route_workspace_size =
        find<decltype(route_workspace_size)>(handle, "ggfp8_route_workspace_size");
    combine = find<decltype(combine)>(handle, "ggfp8_combine");
    last_error = find<decltype(last_error)>(handle, "ggfp8_last_error");
  }

  void check(int32_t status) const {
    if (status != GGFP8_SUCCESS) stop(last_error());
  }
  void call(ggfp8_quantize_groupwise_args& args) const { check(quantize(&args, nullptr)); }
  void call(ggfp8_silu_mul_quantize_groupwise_args& args) const { check(silu(&args, nullptr)); }
  void call(ggfp8_combine_args& args) const { check(combine(&args, nullptr)); }
  void call(ggfp8_route_args& args) const {
    size_t num_bytes = 0;
    check(route_workspace_size(&args, &num_bytes));
    const DeviceCopy workspace(num_bytes);
    check(route(&args, workspace.at<void>(0), num_bytes, nullptr));
    if (num_bytes != 0) check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
};

class Driver {
 public:
  Driver(const char* path, bool on_gpu) : library_(path), on_gpu_(on_gpu) {}

  int num_passed() const { return num_passed_; }

  // Runs a step on the CPU and, if asked for, on the GPU, and compares.
  template <class Args>
  void run(Step<Args> step, const std::string& name) {
    std::vector<Array> expected = step.arrays;
    for (Array& array : expected) step.point(array.member, array.bytes.data() + array.offset);
    step.args.device_type = GGFP8_DEVICE_CPU;
    library_.call(step.args);
    ++num_passed_;
    if (!on_gpu_) return;
    std::vector<std::unique_ptr<DeviceCopy>> copies;
    for (const Array& array : step.arrays) {
      copies.push_back(std::make_unique<DeviceCopy>(array.bytes));
      step.point(array.member, copies.back()->at<const void>(array.offset));
    }
    step.args.device_type = GGFP8_DEVICE_CUDA;
    library_.call(step.args);
    check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    for (size_t i = 0; i < copies.size(); ++i) {
      if (!expected[i].is_output) continue;
      if (copies[i]->read() != expected[i].bytes) {
        stop(name + ": array " + std::to_string(i) + " differs from the CPU's");
      }
    }
  }

 private:
  Library library_;
  bool on_gpu_;
  int num_passed_ = 0;
};

struct QuantizeCase {
  int64_t batch_size, rows, k;
  int32_t block_rows, block_k;
  int64_t x_offset, out_offset;
  char indices;  // 'n' none, 'i' row_index of int32, 'l' of int64, 'p' positions
};

// Small grids, which have one row a CTA, and grids of two; whole tiles and tails.
constexpr QuantizeCase kQuantizeCases[] = {
    {1, 5, 272, 1, 128, 0, 0, 'n'},     {3, 7, 100, 1, 96, 2, 1, 'n'},
    {1, 2101, 256, 1, 128, 0, 0, 'n'},  {1, 2101, 1160, 1, 32, 0, 3, 'n'},
    {2, 130, 272, 128, 128, 0, 0, 'n'}, {1, 129, 100, 128, 64, 2, 5, 'n'},
    {1, 33, 272, 1, 128, 0, 0, 'i'},    {1, 2101, 136, 1, 64, 0, 0, 'l'},
    {1, 33, 1160, 1, 128, 0, 0, 'p'},   {1, 2101, 136, 1, 128, 2, 1, 'p'},
};

void run_quantize(Driver& driver, const QuantizeCase& c, int32_t x_dtype, int32_t out_dtype,
                  int32_t major) {
  constexpr int64_t kTopK = 3;
  Step<ggfp8_quantize_groupwise_args> step = {GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT, {}};
  using Args = ggfp8_quantize_groupwise_args;
  const bool gathers = c.indices == 'i' || c.indices == 'l', scatters = c.indices == 'p';
  const int64_t x_rows = gathers ? c.rows / 3 : c.batch_size * c.rows;
  const int64_t out_rows = scatters ? 2 * c.rows : c.rows;
  step.args.batch_size = c.batch_size, step.args.rows = c.rows, step.args.k = c.k;
  step.args.x_rows = gathers ? x_rows : 0;
  step.args.out_rows = scatters ? out_rows : 0;
  step.args.top_k = scatters ? kTopK : 0;
  step.args.x_dtype = x_dtype, step.args.out_dtype = out_dtype;
  step.args.block_rows = c.block_rows, step.args.block_k = c.block_k;
  step.args.scale_major = major;
  step.args.row_index_dtype = c.indices == 'l' ? GGFP8_DTYPE_INT64 : GGFP8_DTYPE_INT32;
  const int64_t x_offset = c.x_offset * size_of(x_dtype) / 2;
  step.add(offsetof(Args, x), random_floats(x_dtype, x_rows * c.k), x_offset);
  const int64_t num_blocks = ceil_div(out_rows, c.block_rows) * ceil_div(c.k, c.block_k);
  step.add_output(offsetof(Args, out), c.batch_size * out_rows * c.k, c.out_offset);
  step.add_output(offsetof(Args, scale), c.batch_size * num_blocks * 4);
  if (c.indices == 'i') {
    step.add(offsetof(Args, row_index), as_bytes(wild_places<int32_t>(c.rows, x_rows, true)));
  } else if (c.indices == 'l') {
    step.add(offsetof(Args, row_index), as_bytes(wild_places<int64_t>(c.rows, x_rows, true)));
  } else if (scatters) {
    step.add(offsetof(Args, position),
             as_bytes(wild_places<int32_t>(c.rows * kTopK, out_rows, false)));
  }
  driver.run(step, "quantise " + std::to_string(&c - kQuantizeCases));
}

struct SiluCase {
  int64_t rows, k;
  int32_t block_k;
  float limit, alpha;
  int64_t x_offset;
  std::vector<int32_t> m_indptr;
};

void run_silu(Driver& driver, const SiluCase& c, int32_t x_dtype, int32_t major) {
  using Args = ggfp8_silu_mul_quantize_groupwise_args;
  Step<Args> step = {GGFP8_SILU_MUL_QUANTIZE_GROUPWISE_ARGS_INIT, {}};
  step.args.rows = c.rows, step.args.k = c.k, step.args.block_k = c.block_k;
  step.args.limit = c.limit, step.args.alpha = c.alpha;
  step.args.gate_up_dtype = x_dtype, step.args.scale_major = major;
  step.add(offsetof(Args, gate_up), random_gates(x_dtype, c.rows, c.k),
           c.x_offset * size_of(x_dtype) / 2);
  step.add_output(offsetof(Args, out), c.rows * c.k);
  step.add_output(offsetof(Args, scale), c.rows * ceil_div(c.k, c.block_k) * 4);
  if (!c.m_indptr.empty()) {
    step.args.batch_size = static_cast<int64_t>(c.m_indptr.size()) - 1;
    step.add(offsetof(Args, m_indptr), as_bytes(c.m_indptr));
  }
  driver.run(step, "activate " + std::to_string(c.rows) + " x " + std::to_string(c.k));
}

template <class Index>
void run_route(Driver& driver, int64_t num_tokens, int64_t top_k, int64_t num_groups) {
  using Args = ggfp8_route_args;
  Step<Args> step = {GGFP8_ROUTE_ARGS_INIT, {}};
  step.args.num_tokens = num_tokens, step.args.top_k = top_k, step.args.batch_size = num_groups;
  step.args.top_k_index_dtype = sizeof(Index) == 8 ? GGFP8_DTYPE_INT64 : GGFP8_DTYPE_INT32;
  const int64_t num_pairs = num_tokens * top_k;
  step.add(offsetof(Args, top_k_index), as_bytes(wild_places<Index>(num_pairs, num_groups, true)));
  step.add_output(offsetof(Args, row_index), num_pairs * 4);
  step.add_output(offsetof(Args, position), num_pairs * 4);
  step.add_output(offsetof(Args, m_indptr), (num_groups + 1) * 4);
  driver.run(step, "route " + std::to_string(num_tokens) + " to " + std::to_string(num_groups));
}

void run_combine(Driver& driver, int64_t num_tokens, int64_t top_k, int64_t k, int32_t x_dtype,
                 int32_t out_dtype, int64_t x_offset) {
  using Args = ggfp8_combine_args;
  Step<Args> step = {GGFP8_COMBINE_ARGS_INIT, {}};
  const int64_t x_rows = num_tokens * 2;
  step.args.x_rows = x_rows, step.args.num_tokens = num_tokens;
  step.args.top_k = top_k, step.args.k = k;
  step.args.x_dtype = x_dtype, step.args.out_dtype = out_dtype, step.args.weight_dtype = x_dtype;
  step.add(offsetof(Args, x), random_floats(x_dtype, x_rows * k), x_offset * size_of(x_dtype) / 2);
  step.add(offsetof(Args, position),
           as_bytes(wild_places<int32_t>(num_tokens * top_k, x_rows, true)));
  step.add(offsetof(Args, weight), random_floats(x_dtype, num_tokens * top_k));
  step.add_output(offsetof(Args, out), num_tokens * k * size_of(out_dtype));
  driver.run(step, "combine " + std::to_string(num_tokens) + " x " + std::to_string(k));
}

void run_all(Driver& driver) {
  const SiluCase silu_cases[] = {
      {9, 272, 128, 0, 0, 0, {}},
      {70, 100, 96, 150, 0, 2, {3, 10, 50}},
      {33, 768, 128, 150, 1.5f, 0, {INT_MIN, 7, INT_MAX}},
      {2101, 136, 32, 0, 0, 0, {INT_MAX, -3, 5, INT_MIN}},
      {2101, 256, 128, 0, 0, 0, {5, 2000}},
  };
  for (int32_t dtype : kFloats) {
    for (int32_t major : kMajors) {
      for (int32_t out_dtype : kFp8) {
        for (const QuantizeCase& c : kQuantizeCases) {
          run_quantize(driver, c, dtype, out_dtype, major);
        }
      }
      for (const SiluCase& c : silu_cases) run_silu(driver, c, dtype, major);
    }
    for (int32_t out_dtype : kFloats) {
      run_combine(driver, 5, 8, 1160, dtype, out_dtype, 0);
      run_combine(driver, 601, 3, 136, dtype, out_dtype, 0);
      run_combine(driver, 17, 9, 100, dtype, out_dtype, 2);
    }
  }
  for (int64_t num_groups : {1, 7, 256, 5000}) {
    for (int64_t num_tokens : {1, 16, 700}) {
      run_route<int32_t>(driver, num_tokens, 8, num_groups);
      run_route<int64_t>(driver, num_tokens, 3, num_groups);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) stop("usage: steps_driver LIBRARY cuda|cpu");
  Driver driver(argv[1], std::strcmp(argv[2], "cuda") == 0);
  run_all(driver);
  std::printf("driver: %d cases of steps passed\n", driver.num_passed());
  return 0;
}
