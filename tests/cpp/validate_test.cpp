// api/validate.h: legal arguments become the right Problem, and every illegal value of every member
// gives its status and a sentence that names the member. No array is read, so addresses are made
// up.
#include <cstdint>
#include <cstring>
#include <iterator>
#include <random>

#include "check.h"
#include "status_names.h"
#include "validated_args.h"

namespace {

using ggfp8::Problem;
using ggfp8::ScaleMajor;
using ggfp8::Status;

constexpr int64_t kMax = INT64_MAX;

Args legal_args() {
  Args args = args_without_groups();
  args.m_indptr = address<const int32_t>(0x5004);
  return args;
}

struct Edit {
  const char* name;  // what the sentence must name
  Status status;
  void (*apply)(Args&);
};

const Edit kIllegal[] = {
    {"cum_m", kShape, [](Args& x) { x.cum_m = -1; }},
    {"cum_m", kShape, [](Args& x) { x.cum_m = GGFP8_MAX_CUM_M + int64_t{1}; }},
    {"cum_m", kShape, [](Args& x) { x.cum_m = INT64_MIN; }},
    {"n", kShape, [](Args& x) { x.n = -8; }},
    {"n", kShape, [](Args& x) { x.n = 196; }},
    {"n", kShape, [](Args& x) { x.n = GGFP8_MAX_N + int64_t{8}; }},
    {"k", kShape, [](Args& x) { x.k = -16; }},
    {"k", kShape, [](Args& x) { x.k = 152; }},
    {"k", kShape, [](Args& x) { x.k = GGFP8_MAX_K + int64_t{16}; }},
    {"batch_size", kShape, [](Args& x) { x.batch_size = -1; }},
    {"batch_size", kShape, [](Args& x) { x.batch_size = GGFP8_MAX_BATCH_SIZE + 1; }},
    {"batch_size", kShape, [](Args& x) { x.batch_size = kMax; }},

    {"a_row_stride", kStride, [](Args& x) { x.a_row_stride = 128; }},
    {"a_row_stride", kStride, [](Args& x) { x.a_row_stride = 152; }},
    {"a_row_stride", kStride, [](Args& x) { x.a_row_stride = -160; }},
    {"a_row_stride", kStride, [](Args& x) { x.a_row_stride = kMax - 15; }},
    {"b_row_stride", kStride, [](Args& x) { x.b_row_stride = 128; }},
    {"b_row_stride", kStride, [](Args& x) { x.b_row_stride = 145; }},
    {"b_row_stride", kStride, [](Args& x) { x.b_row_stride = int64_t{1} << 56; }},
    {"b_group_stride", kStride, [](Args& x) { x.b_group_stride = 200 * 144 - 16; }},
    {"b_group_stride", kStride, [](Args& x) { x.b_group_stride = 200 * 144 + 8; }},
    {"b_group_stride", kStride, [](Args& x) { x.b_group_stride = int64_t{1} << 61; }},
    {"b_group_stride", kStride,
     [](Args& x) {
       x.b_row_stride = 160;
       x.b_group_stride = 200 * 144;
     }},
    {"out_row_stride", kStride, [](Args& x) { x.out_row_stride = 199; }},
    {"out_row_stride", kStride, [](Args& x) { x.out_row_stride = INT64_MIN; }},
    {"out_row_stride", kStride, [](Args& x) { x.out_row_stride = kMax; }},
    {"a_scale_stride", kStride, [](Args& x) { x.a_scale_stride = 299; }},
    {"a_scale_stride", kStride, [](Args& x) { x.a_scale_stride = kMax / 2; }},
    {"a_scale_stride", kStride,
     [](Args& x) {
       x.scale_major = GGFP8_SCALE_MAJOR_K;
       x.a_scale_stride = 1;
     }},
    {"b_scale_stride", kStride, [](Args& x) { x.b_scale_stride = 1; }},
    {"b_scale_stride", kStride, [](Args& x) { x.b_scale_stride = -1; }},
    {"b_scale_group_stride", kStride, [](Args& x) { x.b_scale_group_stride = 3; }},
    {"b_scale_group_stride", kStride, [](Args& x) { x.b_scale_group_stride = kMax / 4; }},

    {"a_dtype", kDtype, [](Args& x) { x.a_dtype = -1; }},
    {"a_dtype", kDtype, [](Args& x) { x.a_dtype = GGFP8_DTYPE_BFLOAT16; }},
    {"b_dtype", kDtype, [](Args& x) { x.b_dtype = GGFP8_DTYPE_FLOAT32; }},
    {"b_dtype", kDtype, [](Args& x) { x.b_dtype = INT32_MAX; }},
    {"out_dtype", kDtype, [](Args& x) { x.out_dtype = GGFP8_DTYPE_FLOAT8_E4M3FN; }},
    {"out_dtype", kDtype, [](Args& x) { x.out_dtype = 6; }},
    {"out_dtype", kDtype, [](Args& x) { x.out_dtype = INT32_MIN; }},

    {"scale_granularity_mnk", kGranularity, [](Args& x) { x.scale_granularity_m = 2; }},
    {"scale_granularity_mnk", kGranularity, [](Args& x) { x.scale_granularity_m = -1; }},
    {"scale_granularity_mnk", kGranularity, [](Args& x) { x.scale_granularity_n = 32; }},
    {"scale_granularity_mnk", kGranularity, [](Args& x) { x.scale_granularity_n = -128; }},
    {"scale_granularity_mnk", kGranularity, [](Args& x) { x.scale_granularity_k = 16; }},
    {"scale_granularity_mnk", kGranularity, [](Args& x) { x.scale_granularity_k = 48; }},
    {"scale_granularity_mnk", kGranularity, [](Args& x) { x.scale_granularity_k = 160; }},
    {"scale_granularity_mnk", kGranularity, [](Args& x) { x.scale_granularity_k = -32; }},
    {"scale_major", kMajor, [](Args& x) { x.scale_major = 3; }},
    {"scale_major", kMajor, [](Args& x) { x.scale_major = -1; }},
    {"b_scale_major", kMajor, [](Args& x) { x.b_scale_major = 3; }},
    {"b_scale_major", kMajor, [](Args& x) { x.b_scale_major = -1; }},
    {"mma_sm", GGFP8_ERROR_INVALID_MMA_SM, [](Args& x) { x.mma_sm = 3; }},
    {"mma_sm", GGFP8_ERROR_INVALID_MMA_SM, [](Args& x) { x.mma_sm = -1; }},
    {"device_type", kDevice, [](Args& x) { x.device_type = 3; }},
    {"device_type", kDevice, [](Args& x) { x.device_type = -2; }},
    {"flags", kArgument, [](Args& x) { x.flags = 2; }},
    {"flags", kArgument, [](Args& x) { x.flags = 0x80000001u; }},
    {"reserved", kArgument, [](Args& x) { x.reserved = 1; }},

    {"a", kArgument, [](Args& x) { x.a = nullptr; }},
    {"b", kArgument, [](Args& x) { x.b = nullptr; }},
    {"a_scale", kArgument, [](Args& x) { x.a_scale = nullptr; }},
    {"b_scale", kArgument, [](Args& x) { x.b_scale = nullptr; }},
    {"m_indptr", kArgument, [](Args& x) { x.m_indptr = nullptr; }},
    {"out", kArgument, [](Args& x) { x.out = nullptr; }},
    {"a_scale", kAlignment, [](Args& x) { x.a_scale = address<const float>(0x3002); }},
    {"a_scale", kAlignment, [](Args& x) { x.a_scale = address<const float>(0x3001); }},
    {"a_scale", kArgument,
     [](Args& x) {  // of one element
       x.cum_m = 1;
       x.k = 16;
       x.a_scale = nullptr;
     }},
    {"b_scale", kAlignment, [](Args& x) { x.b_scale = address<const float>(0x4001); }},
    {"b_scale", kAlignment, [](Args& x) { x.b_scale = address<const float>(0x4002); }},
    {"m_indptr", kAlignment, [](Args& x) { x.m_indptr = address<const int32_t>(0x5002); }},
    {"m_indptr", kAlignment,
     [](Args& x) {
       x.cum_m = 0;  // the array is checked where there is nothing to compute, too
       x.m_indptr = address<const int32_t>(0x5002);
     }},
    {"m_indptr", kArgument,
     [](Args& x) {
       x.batch_size = 1;
       x.m_indptr = nullptr;
     }},
    {"m_indptr", kAlignment, [](Args& x) { x.m_indptr = address<const int32_t>(0x5003); }},
    {"out", kAlignment, [](Args& x) { x.out = address<void>(0x6001); }},
    {"out", kAlignment,
     [](Args& x) {
       x.out = address<void>(0x6002);
       x.out_dtype = GGFP8_DTYPE_FLOAT32;
     }},

    {"args.struct_size", GGFP8_ERROR_INVALID_STRUCT_SIZE, [](Args& x) { x.struct_size = 0; }},
    {"args.struct_size", GGFP8_ERROR_INVALID_STRUCT_SIZE, [](Args& x) { x.struct_size = 199; }},
    {"args.struct_size", GGFP8_ERROR_INVALID_STRUCT_SIZE, [](Args& x) { x.struct_size = 65537; }},
    {"args.struct_size", GGFP8_ERROR_INVALID_STRUCT_SIZE,
     [](Args& x) { x.struct_size = SIZE_MAX; }},
};

// The sentence begins with the member's name and says what was got and what was wanted.
void check_illegal_values() {
  for (const Edit& edit : kIllegal) {
    Args args = legal_args();
    edit.apply(args);
    const Status status = validated(args).status;
    const char* sentence = ggfp8::last_error();
    const size_t length = std::strlen(edit.name);
    const bool names_it = std::strncmp(sentence, edit.name, length) == 0 && sentence[length] == ':';
    const bool explains = std::strstr(sentence, "got") && std::strstr(sentence, "wanted");
    if (!CHECK_EQ(status, edit.status) || !CHECK(names_it && explains)) {
      std::cerr << "  case " << &edit - kIllegal << ", " << edit.name << ": " << sentence << "\n";
    }
  }
  Problem problem;
  bool empty = false;
  CHECK_EQ(ggfp8::validate(nullptr, &problem, &empty), kArgument);
  CHECK(std::strncmp(ggfp8::last_error(), "args:", 5) == 0);
}

void check_defaults() {
  const auto [status, p, empty] = validated(legal_args());
  CHECK_EQ(status, ggfp8::kSuccess);
  CHECK(!empty);
  CHECK(p.a_dtype == ggfp8::Dtype::kFloat8E4M3 && p.b_dtype == ggfp8::Dtype::kFloat8E4M3);
  CHECK(p.out_dtype == ggfp8::Dtype::kBFloat16);
  CHECK(p.sfa_major == ScaleMajor::kMn && p.sfb_major == ScaleMajor::kMn);
  CHECK(p.granularity_m == 1 && p.granularity_n == 128 && p.granularity_k == 128);
  CHECK(p.num_m_blocks == 300 && p.num_n_blocks == 2 && p.num_k_blocks == 2);
  CHECK(p.mma_sm == 1 && p.device_id == 0 && p.backend == nullptr && !p.validate_groups);
  CHECK(p.device_type == ggfp8::DeviceType::kCuda);
  CHECK(p.a.row_stride == 144 && p.b.row_stride == 144 && p.out.row_stride == 200);
  CHECK_EQ(p.b.group_stride, 200 * 144);
  CHECK(p.sfa.mn_stride == 1 && p.sfa.k_stride == 300);
  CHECK(p.sfb.mn_stride == 1 && p.sfb.k_stride == 2 && p.sfb.group_stride == 4);
  const Args args = legal_args();
  CHECK(p.a.data == args.a && p.b.data == args.b && p.sfa.data == args.a_scale &&
        p.sfb.data == args.b_scale);
  CHECK(p.groups == args.m_indptr && p.out.data == args.out);
}

void check_given_values() {
  Args args = legal_args();
  args.scale_granularity_m = 128;
  args.scale_granularity_n = 64;
  args.scale_granularity_k = 96;
  args.scale_major = GGFP8_SCALE_MAJOR_K;
  args.a_dtype = GGFP8_DTYPE_FLOAT8_E5M2;
  args.out_dtype = GGFP8_DTYPE_FLOAT32;
  args.mma_sm = 2;
  args.device_type = GGFP8_DEVICE_CPU;
  args.flags = GGFP8_FLAG_VALIDATE_M_INDPTR;
  args.backend = "cpu";
  args.a_row_stride = 160;
  args.b_row_stride = 176;
  args.out_row_stride = 201;
  args.a_scale_stride = 7;
  args.b_scale_stride = 3;
  const auto [status, p, empty] = validated(args);
  CHECK_EQ(status, ggfp8::kSuccess);
  CHECK(p.num_m_blocks == 3 && p.num_n_blocks == 4 && p.num_k_blocks == 2);
  CHECK(p.a_dtype == ggfp8::Dtype::kFloat8E5M2 && p.b_dtype == ggfp8::Dtype::kFloat8E4M3);
  CHECK(p.out_dtype == ggfp8::Dtype::kFloat32);
  CHECK(p.mma_sm == 2 && p.device_type == ggfp8::DeviceType::kCpu && p.validate_groups);
  CHECK(std::strcmp(p.backend, "cpu") == 0);
  CHECK(p.a.row_stride == 160 && p.out.row_stride == 201 && p.b.group_stride == 200 * 176);
  CHECK(p.sfa.mn_stride == 7 && p.sfa.k_stride == 1);
  CHECK(p.sfb.mn_stride == 3 && p.sfb.k_stride == 1 && p.sfb.group_stride == 12);
}

// The layouts of both scales are independent where b_scale_major says so.
void check_scale_majors() {
  Args args = legal_args();
  args.b_scale_major = GGFP8_SCALE_MAJOR_K;
  Problem p = validated(args).problem;
  CHECK(p.sfa.mn_stride == 1 && p.sfa.k_stride == 300);
  CHECK(p.sfb.mn_stride == 2 && p.sfb.k_stride == 1 && p.sfb.group_stride == 4);
  args.scale_major = GGFP8_SCALE_MAJOR_K;
  args.b_scale_major = GGFP8_SCALE_MAJOR_MN;
  p = validated(args).problem;
  CHECK(p.sfa.mn_stride == 2 && p.sfa.k_stride == 1);
  CHECK(p.sfb.mn_stride == 1 && p.sfb.k_stride == 2 && p.sfb.group_stride == 4);
  args.b_scale_major = 0;
  p = validated(args).problem;
  CHECK(p.sfb.mn_stride == 2 && p.sfb.k_stride == 1);
}

// No element of out: pointers do not matter, everything else is still checked.
void check_empty_problems() {
  const Edit empties[] = {
      {"cum_m", 0, [](Args& x) { x.cum_m = 0; }},
      {"n", 0, [](Args& x) { x.n = 0; }},
      {"batch_size", 0, [](Args& x) { x.batch_size = 0; }},
  };
  for (const Edit& edit : empties) {
    Args args = legal_args();
    edit.apply(args);
    args.a = args.b = nullptr;
    args.a_scale = args.b_scale = nullptr;
    args.out = nullptr;
    Result result = validated(args);
    CHECK(result.status == ggfp8::kSuccess && result.empty);
    CHECK(result.problem.groups == args.m_indptr);
    args.m_indptr = nullptr;
    result = validated(args);
    CHECK(result.status == ggfp8::kSuccess && result.empty);
    args.out_dtype = 99;
    CHECK_EQ(validated(args).status, kDtype);
  }
  // k = 0 has zeros to write, but no element of a, b or their scales.
  Args args = legal_args();
  args.k = 0;
  args.a = args.b = nullptr;
  args.a_scale = args.b_scale = nullptr;
  const Result result = validated(args);
  CHECK(result.status == ggfp8::kSuccess && !result.empty && result.problem.num_k_blocks == 0);
  args.out = nullptr;
  CHECK_EQ(validated(args).status, kArgument);
}

// Each size reaches its limit; the arrays of all limits together could not be addressed.
void check_largest_sizes() {
  const Edit largest[] = {
      {"cum_m", 0, [](Args& x) { x.cum_m = GGFP8_MAX_CUM_M; }},
      {"n", 0, [](Args& x) { x.n = GGFP8_MAX_N; }},
      {"k", 0, [](Args& x) { x.k = GGFP8_MAX_K; }},
      {"batch_size", 0, [](Args& x) { x.batch_size = GGFP8_MAX_BATCH_SIZE; }},
  };
  Args all = legal_args();
  for (const Edit& edit : largest) {
    Args args = legal_args();
    edit.apply(args);
    edit.apply(all);
    CHECK_EQ(validated(args).status, ggfp8::kSuccess);
  }
  CHECK_EQ(validated(all).status, kStride);
}

bool addressable(int64_t count, int64_t stride, int64_t element_bytes) {
  int64_t bytes = 0;
  return count >= 0 && stride >= 0 && !__builtin_mul_overflow(count, stride, &bytes) &&
         !__builtin_mul_overflow(bytes, element_bytes, &bytes);
}

// Any content of the numeric members: no arithmetic overflows (the sanitizer build watches), and
// what passes has rows apart from each other and a last element whose offset fits.
void check_random_content() {
  std::mt19937_64 random(11);
  const int64_t values[] = {0,   1,       8,         16,        128,       144, 200,
                            300, 1 << 20, 1LL << 31, 1LL << 40, 1LL << 58, -1,  kMax - 15};
  constexpr size_t kNumValues = sizeof values / sizeof values[0];
  int num_legal = 0;
  for (int i = 0; i < 400000; ++i) {
    Args args = legal_args();
    int64_t* const members[] = {&args.cum_m,
                                &args.n,
                                &args.k,
                                &args.batch_size,
                                &args.a_row_stride,
                                &args.b_row_stride,
                                &args.b_group_stride,
                                &args.out_row_stride,
                                &args.a_scale_stride,
                                &args.b_scale_stride,
                                &args.b_scale_group_stride};
    for (uint64_t edits = 1 + random() % 4; edits > 0; --edits) {
      *members[random() % std::size(members)] = values[random() % kNumValues];
    }
    args.scale_granularity_m = random() % 2 == 0 ? 1 : 128;
    args.scale_major = 1 + static_cast<int32_t>(random() % 2);
    const auto [status, p, empty] = validated(args);
    if (status != ggfp8::kSuccess) continue;
    ++num_legal;
    bool ok = p.a.row_stride >= p.k && p.b.row_stride >= p.k && p.out.row_stride >= p.n;
    ok = ok && p.b.group_stride >= p.n * p.b.row_stride;
    ok = ok && addressable(p.cum_m, p.a.row_stride, 1);
    ok = ok && addressable(p.batch_size, p.b.group_stride, 1);
    ok = ok && addressable(p.cum_m, p.out.row_stride, 4);
    ok = ok && addressable(p.num_m_blocks, p.sfa.mn_stride, 4);
    ok = ok && addressable(p.num_k_blocks, p.sfa.k_stride, 4);
    ok = ok && addressable(p.batch_size, p.sfb.group_stride, 4);
    if (!CHECK(ok)) return;
  }
  CHECK(num_legal > 10000);
}

}  // namespace

int main() {
  check_illegal_values();
  check_defaults();
  check_given_values();
  check_scale_majors();
  check_empty_problems();
  check_largest_sizes();
  check_random_content();
  return check::report();
}
