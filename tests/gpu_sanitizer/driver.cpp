// Small problems for the tools of compute-sanitizer: every tile shape of a GPU backend, whole and
// partly filled tiles, empty groups, unaligned operands, all granularities, malformed m_indptr.
//
//   driver LIBRARY mma|sm90|cpu
//
// sm90 runs the problems that it takes. cpu runs the expected results alone and needs no GPU.
//
// Device arrays have exactly the bytes that the problem has, so that a tool sees any access past
// their end. Values are small integers and powers of two, which makes every backend exact: `out`,
// its uncovered rows included, must equal that of the cpu backend byte for byte.
#include <groupgemm_fp8/groupgemm_fp8.h>

#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "device_copy.h"

namespace {

constexpr int32_t kE4m3 = GGFP8_DTYPE_FLOAT8_E4M3FN;
constexpr int32_t kE5m2 = GGFP8_DTYPE_FLOAT8_E5M2;
constexpr int32_t kBf16 = GGFP8_DTYPE_BFLOAT16;
constexpr int32_t kF16 = GGFP8_DTYPE_FLOAT16;
constexpr int32_t kF32 = GGFP8_DTYPE_FLOAT32;
constexpr int32_t kMn = GGFP8_SCALE_MAJOR_MN;
constexpr int32_t kK = GGFP8_SCALE_MAJOR_K;

struct Rows {
  int64_t cum_m;
  bool hostile;  // malformed: the result is unspecified
  std::vector<int32_t> m_indptr;
};

// The bounds of groups of one row each.
std::vector<int32_t> single_rows(int32_t num_groups) {
  std::vector<int32_t> bounds;
  for (int32_t i = 0; i <= num_groups; ++i) bounds.push_back(i);
  return bounds;
}

// Few, more and many rows in calls of few and of many tiles: all tile shapes of mma, and of sm90 on
// a GPU with 132 SMs. Mixed ones have tiles of few and of many rows in one shape.
const Rows kFew = {30, false, {2, 5, 5, 5, 21, 27}};
const Rows kMany = {131, false, {3, 67, 67, 130}};
const Rows kMixed = {132, false, {3, 13, 40, 132}};
const Rows kLarge = {1030, false, {1, 1030}};
const Rows kWaves = {1131, false, {1, 1130}};
const Rows kNine = {288, false, {0, 20, 27, 27, 59, 91, 123, 179, 240, 288}};
const Rows kNineMiddle = {297, false, {0, 40, 41, 105, 106, 139, 172, 205, 240, 297}};
const Rows kNineLarge = {1161, false, {0, 200, 329, 359, 366, 559, 709, 869, 1011, 1161}};
const Rows kSingles = {40, false, single_rows(40)};
const Rows kFewAligned = {130, false, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 128}};
const Rows kManyAligned = {130, false, {0, 128}};
const Rows kFewHostile = {30, true, {7, -5, INT_MAX, 3, INT_MIN, 30}};
const Rows kManyHostile = {131, true, {-9, 90, 17, INT_MAX, INT_MIN}};

struct Case {
  const Rows* rows;
  int32_t a_dtype, b_dtype, out_dtype;
  int32_t gm, gn, gk, major;
  int64_t n, k;
  int64_t a_offset, b_offset;  // bytes between an aligned address and the array
  int64_t out_padding;         // elements after each row; an odd number forbids paired stores
};

const Case kCases[] = {
    {&kFew, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 256, 512, 0, 0, 0},
    {&kFew, kE4m3, kE5m2, kF16, 1, 128, 128, kK, 136, 160, 0, 0, 1},
    {&kFew, kE5m2, kE4m3, kF32, 1, 1, 128, kMn, 136, 512, 1, 0, 0},
    {&kFew, kE5m2, kE5m2, kBf16, 1, 128, 64, kK, 256, 288, 0, 3, 0},
    {&kFew, kE4m3, kE4m3, kF32, 1, 64, 32, kMn, 136, 176, 7, 9, 3},
    {&kFew, kE4m3, kE4m3, kF16, 1, 1, 96, kK, 136, 400, 0, 0, 0},
    {&kFew, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 136, 0, 0, 0, 0},
    {&kFewAligned, kE4m3, kE4m3, kBf16, 128, 128, 128, kMn, 256, 256, 0, 0, 0},
    {&kFewHostile, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 136, 160, 0, 0, 0},
    {&kMany, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 256, 512, 0, 0, 0},
    {&kMany, kE4m3, kE5m2, kF16, 1, 128, 128, kK, 136, 160, 0, 0, 1},
    {&kMany, kE5m2, kE4m3, kF32, 1, 1, 128, kMn, 136, 512, 1, 0, 0},
    {&kMany, kE5m2, kE5m2, kBf16, 1, 128, 64, kK, 256, 288, 0, 3, 0},
    {&kMany, kE4m3, kE4m3, kF32, 1, 64, 32, kMn, 136, 176, 7, 9, 3},
    {&kMany, kE4m3, kE4m3, kF16, 1, 1, 96, kK, 136, 400, 0, 0, 0},
    {&kMany, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 136, 0, 0, 0, 0},
    {&kManyAligned, kE4m3, kE4m3, kBf16, 128, 128, 128, kK, 256, 256, 0, 0, 0},
    {&kMixed, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 256, 784, 0, 0, 0},
    {&kMixed, kE4m3, kE5m2, kF32, 1, 128, 128, kK, 136, 160, 0, 0, 1},
    {&kLarge, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 136, 272, 0, 0, 0},
    {&kLarge, kE4m3, kE5m2, kF16, 1, 128, 128, kK, 136, 160, 0, 0, 1},
    {&kLarge, kE5m2, kE4m3, kF32, 1, 1, 64, kMn, 136, 160, 1, 0, 0},
    {&kLarge, kE5m2, kE5m2, kBf16, 1, 64, 128, kK, 128, 256, 0, 3, 0},
    // More tiles than an H100 computes at once, whole ones and in the last wave halves of both
    // sorts.
    {&kWaves, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 3848, 784, 0, 0, 0},
    {&kWaves, kE4m3, kE4m3, kF16, 1, 128, 128, kK, 3848, 256, 0, 0, 0},
    {&kWaves, kE4m3, kE4m3, kBf16, 1, 128, 128, kK, 3848, 128, 0, 0, 0},
    {&kManyHostile, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 136, 160, 0, 0, 0},
    {&kFew, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 2816, 192, 0, 0, 0},
    {&kMany, kE5m2, kE4m3, kF32, 1, 128, 128, kK, 1408, 192, 0, 0, 2},
    {&kNine, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 3000, 1024, 0, 0, 0},
    {&kNineMiddle, kE4m3, kE4m3, kBf16, 1, 128, 128, kK, 1408, 192, 0, 0, 0},
    {&kNineLarge, kE4m3, kE5m2, kBf16, 1, 128, 128, kMn, 1408, 192, 0, 0, 0},
    {&kSingles, kE4m3, kE4m3, kF16, 1, 128, 128, kMn, 136, 336, 0, 0, 0},
    {&kMany, kE4m3, kE4m3, kBf16, 1, 128, 128, kMn, 256, 2704, 0, 0, 0},
    {&kFew, kE4m3, kE4m3, kBf16, 1, 64, 64, kK, 136, 656, 0, 0, 0},
    {&kMixed, kE4m3, kE5m2, kF16, 1, 64, 64, kK, 136, 144, 0, 0, 1},
    {&kManyAligned, kE4m3, kE4m3, kBf16, 128, 64, 64, kMn, 256, 336, 0, 0, 0},
    {&kWaves, kE4m3, kE4m3, kBf16, 1, 64, 64, kMn, 3848, 784, 0, 0, 0},
    {&kWaves, kE4m3, kE4m3, kF16, 1, 64, 128, kK, 3848, 256, 0, 0, 0},
};

struct Library {
  decltype(&ggfp8_group_gemm_nt_groupwise) group_gemm;
  decltype(&ggfp8_group_gemm_plan) plan;
  decltype(&ggfp8_backend_supports) supports;
  decltype(&ggfp8_last_error) last_error;

  explicit Library(const char* path) {
    void* handle = open_library(path);
    group_gemm = find<decltype(group_gemm)>(handle, "ggfp8_group_gemm_nt_groupwise");
    plan = find<decltype(plan)>(handle, "ggfp8_group_gemm_plan");
    supports = find<decltype(supports)>(handle, "ggfp8_backend_supports");
    last_error = find<decltype(last_error)>(handle, "ggfp8_last_error");
  }
};

// The host arrays of one case and the arguments without pointers.
struct Problem {
  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  Bytes a, b, a_scale, b_scale, m_indptr, out;
};

Bytes random_codes(std::mt19937& random, int32_t dtype, int64_t count) {
  // 0, 1, 2, 3, 4 and their negatives.
  static constexpr uint8_t kE4m3Codes[] = {0x00, 0x38, 0x40, 0x44, 0x48, 0xB8, 0xC0, 0xC4};
  static constexpr uint8_t kE5m2Codes[] = {0x00, 0x3C, 0x40, 0x42, 0x44, 0xBC, 0xC0, 0xC2};
  Bytes codes(static_cast<size_t>(count));
  for (uint8_t& code : codes) code = (dtype == kE4m3 ? kE4m3Codes : kE5m2Codes)[random() % 8];
  return codes;
}

Bytes random_scales(std::mt19937& random, int64_t count) {
  Bytes scales(static_cast<size_t>(count) * sizeof(float));
  for (size_t i = 0; i < scales.size(); i += sizeof(float)) {
    const float scale = std::ldexp(1.0f, static_cast<int>(random() % 5) - 2);
    std::memcpy(&scales[i], &scale, sizeof scale);
  }
  return scales;
}

int64_t ceil_div(int64_t value, int64_t divisor) {
  return (value + divisor - 1) / divisor;
}

Problem make_problem(const Case& c, std::mt19937& random) {
  Problem problem;
  ggfp8_group_gemm_args& args = problem.args;
  args.cum_m = c.rows->cum_m;
  args.n = c.n;
  args.k = c.k;
  args.batch_size = static_cast<int64_t>(c.rows->m_indptr.size()) - 1;
  args.out_row_stride = c.n + c.out_padding;
  args.a_dtype = c.a_dtype;
  args.b_dtype = c.b_dtype;
  args.out_dtype = c.out_dtype;
  args.scale_granularity_m = c.gm;
  args.scale_granularity_n = c.gn;
  args.scale_granularity_k = c.gk;
  args.scale_major = c.major;
  const int64_t num_k_blocks = ceil_div(c.k, c.gk);
  problem.a = random_codes(random, c.a_dtype, c.a_offset + args.cum_m * c.k);
  problem.b = random_codes(random, c.b_dtype, c.b_offset + args.batch_size * c.n * c.k);
  problem.a_scale = random_scales(random, ceil_div(args.cum_m, c.gm) * num_k_blocks);
  problem.b_scale = random_scales(random, args.batch_size * ceil_div(c.n, c.gn) * num_k_blocks);
  problem.m_indptr.resize(c.rows->m_indptr.size() * sizeof(int32_t));
  std::memcpy(problem.m_indptr.data(), c.rows->m_indptr.data(), problem.m_indptr.size());
  const int64_t element_bytes = c.out_dtype == kF32 ? 4 : 2;
  // The last row ends with its last column.
  const int64_t num_elements = (args.cum_m - 1) * args.out_row_stride + c.n;
  problem.out.assign(static_cast<size_t>(num_elements * element_bytes), 0xA5);
  return problem;
}

void call(const Library& library, const ggfp8_group_gemm_args& args) {
  if (library.group_gemm(&args, nullptr, 0, nullptr) != GGFP8_SUCCESS) stop(library.last_error());
}

Bytes run_on_cpu(const Library& library, const Case& c, const Problem& problem) {
  Bytes out = problem.out;
  ggfp8_group_gemm_args args = problem.args;
  args.device_type = GGFP8_DEVICE_CPU;
  args.backend = "cpu";
  args.a = problem.a.data() + c.a_offset;
  args.b = problem.b.data() + c.b_offset;
  args.a_scale = reinterpret_cast<const float*>(problem.a_scale.data());
  args.b_scale = reinterpret_cast<const float*>(problem.b_scale.data());
  args.m_indptr = reinterpret_cast<const int32_t*>(problem.m_indptr.data());
  args.out = out.data();
  call(library, args);
  return out;
}

std::string config_of(const Library& library, const ggfp8_group_gemm_args& args) {
  ggfp8_plan_info plan = {};
  plan.struct_size = sizeof plan;
  if (library.plan(&args, &plan) != GGFP8_SUCCESS) stop(library.last_error());
  return plan.config;
}

// Counts what became of the cases on a GPU.
struct Tally {
  int num_passed = 0;
  int num_refused = 0;
  std::set<std::string> configs;
};

// The output of a case, or nothing if the backend refuses it.
Bytes run_on_gpu(const Library& library, const char* backend, const Case& c, const Problem& problem,
                 Tally* tally) {
  const DeviceCopy a(problem.a), b(problem.b), a_scale(problem.a_scale), b_scale(problem.b_scale);
  const DeviceCopy m_indptr(problem.m_indptr), out(problem.out);
  ggfp8_group_gemm_args args = problem.args;
  args.device_type = GGFP8_DEVICE_CUDA;
  args.backend = backend;
  args.a = a.at<const void>(c.a_offset);
  args.b = b.at<const void>(c.b_offset);
  args.a_scale = a_scale.at<const float>(0);
  args.b_scale = b_scale.at<const float>(0);
  args.m_indptr = m_indptr.at<const int32_t>(0);
  args.out = out.at<void>(0);
  const int32_t status = library.supports(backend, &args);
  if (status == GGFP8_ERROR_UNSUPPORTED && std::string(backend) != "mma") return {};
  if (status != GGFP8_SUCCESS) stop(library.last_error());
  tally->configs.insert(config_of(library, args));
  call(library, args);
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  return out.read();
}

// Runs a case on the cpu backend, and on a GPU backend if one is named, and compares.
void run_case(const Library& library, const char* backend, const Case& c, const std::string& name,
              std::mt19937& random, Tally* tally) {
  const Problem problem = make_problem(c, random);
  const Bytes expected = run_on_cpu(library, c, problem);
  if (backend == nullptr) return;
  const Bytes out = run_on_gpu(library, backend, c, problem, tally);
  if (out.empty()) {
    ++tally->num_refused;
    return;
  }
  ++tally->num_passed;
  if (!c.rows->hostile && out != expected) stop(name + ": out differs from the cpu backend's");
}

// A problem size, and how much work it is.
struct Size {
  int64_t cum_m, batch_size, n;
  int32_t gk;
  int64_t work() const { return cum_m * n; }
};

// The smallest size that takes each configuration of a backend: asks for the plan of many sizes.
std::map<std::string, Size> smallest_sizes(const Library& library, const char* backend) {
  std::map<std::string, Size> found;
  const auto consider = [&](const Size& size) {
    ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
    args.cum_m = size.cum_m, args.batch_size = size.batch_size, args.n = size.n, args.k = 192;
    args.scale_granularity_k = size.gk;
    args.device_type = GGFP8_DEVICE_CUDA;
    args.backend = backend;
    // A plan looks at addresses, never at what is there.
    args.a = args.b = args.a_scale = args.b_scale = reinterpret_cast<const float*>(4096);
    args.m_indptr = reinterpret_cast<const int32_t*>(4096);
    args.out = reinterpret_cast<void*>(4096);
    const std::string config = config_of(library, args);
    const auto [place, is_new] = found.try_emplace(config, size);
    if (!is_new && size.work() < place->second.work()) place->second = size;
  };
  for (const int64_t n : {136, 1408}) {
    for (const int64_t batch_size : {1, 3, 40}) {
      for (int64_t rows = 4; rows <= 4096; rows += rows < 256 ? 4 : 256) {
        for (const int32_t gk : {128, 64}) consider({rows * batch_size, batch_size, n, gk});
      }
    }
  }
  return found;
}

// Groups that grow, the first and last row in none of them; or bounds in any order.
Rows rows_of(const Size& size, bool hostile) {
  Rows rows = {size.cum_m, hostile, {}};
  for (int64_t i = 0; i <= size.batch_size; ++i) {
    const int64_t share = (size.cum_m - 2) * i * i / (size.batch_size * size.batch_size);
    rows.m_indptr.push_back(static_cast<int32_t>(1 + share));
  }
  if (!hostile) return rows;
  for (size_t i = 0; i < rows.m_indptr.size(); i += 2) rows.m_indptr[i] = i % 4 ? INT_MIN : INT_MAX;
  return rows;
}

void run_every_config(const Library& library, const char* backend, std::mt19937& random,
                      Tally* tally) {
  for (const auto& [config, size] : smallest_sizes(library, backend)) {
    for (const bool hostile : {false, true}) {
      const Rows rows = rows_of(size, hostile);
      const Case c = {&rows, kE4m3, kE5m2, kBf16, 1, 128, size.gk, kMn, size.n, 192, 0, 0, 0};
      run_case(library, backend, c, config, random, tally);
    }
    if (!tally->configs.contains(config)) stop(config + " was planned and did not run");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) stop("usage: driver LIBRARY mma|sm90|cpu");
  const Library library(argv[1]);
  const char* backend = std::strcmp(argv[2], "cpu") == 0 ? nullptr : argv[2];
  std::mt19937 random(20);
  Tally tally;
  for (const Case& c : kCases) {
    run_case(library, backend, c, "case " + std::to_string(&c - kCases), random, &tally);
  }
  if (backend == nullptr) {
    std::printf("driver: %zu cases passed\n", std::size(kCases));
    return 0;
  }
  run_every_config(library, backend, random, &tally);
  std::printf("driver: %d cases passed, %d refused\n", tally.num_passed, tally.num_refused);
  for (const std::string& config : tally.configs) std::printf("driver: used %s\n", config.c_str());
  return 0;
}
