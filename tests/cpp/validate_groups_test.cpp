// api/validate.h where it concerns groups: layouts, their arrays, the strides of slabs, the hint;
// the sentence names the argument, and the layout it belongs to where two are mixed.
#include <cstdint>
#include <cstring>

#include "check.h"
#include "status_names.h"
#include "validated_args.h"

namespace {

using ggfp8::GroupKind;
using ggfp8::Problem;
using ggfp8::Status;

// Masked groups have slabs of 60 rows.
Args args_of(int32_t layout) {
  Args args = args_without_groups();
  args.groups = address<const void>(0x5004);
  args.group_layout = layout;
  return args;
}

struct Edit {
  int32_t layout;
  const char* name;  // what the sentence must name
  Status status;
  const char* words;  // what the sentence must contain
  void (*apply)(Args&);
};

constexpr int32_t kIndptr = GGFP8_GROUPS_INDPTR;
constexpr int32_t kEnds = GGFP8_GROUPS_ENDS;
constexpr int32_t kCounts = GGFP8_GROUPS_COUNTS;
constexpr int32_t kMasked = GGFP8_GROUPS_MASKED;

void give_m_indptr(Args& args) {
  args.m_indptr = address<const int32_t>(0x7004);
}

const Edit kIllegal[] = {
    {4, "group_layout", kLayout, "wanted 0 (indptr), 1 (ends)", [](Args&) {}},
    {-1, "group_layout", kLayout, "3 (masked)", [](Args&) {}},
    {kEnds, "group_dtype", GGFP8_ERROR_INVALID_DTYPE, "6 (int32)",
     [](Args& x) { x.group_dtype = GGFP8_DTYPE_FLOAT32; }},
    {kEnds, "groups", GGFP8_ERROR_INVALID_ARGUMENT, "5 elements (group_layout ends)",
     [](Args& x) { x.groups = nullptr; }},
    {kMasked, "groups", GGFP8_ERROR_INVALID_ARGUMENT, "group_layout masked",
     [](Args& x) { x.groups = nullptr; }},
    {kIndptr, "m_indptr", GGFP8_ERROR_INVALID_ARGUMENT, "6 elements",
     [](Args& x) { x.groups = nullptr; }},
    {kIndptr, "groups", GGFP8_ERROR_INVALID_ARGUMENT, "6 elements",
     [](Args& x) {
       x.groups = nullptr;
       x.group_dtype = GGFP8_DTYPE_INT64;
     }},
    {kCounts, "groups", GGFP8_ERROR_INVALID_ALIGNMENT, "multiple of 8",
     [](Args& x) { x.group_dtype = GGFP8_DTYPE_INT64; }},
    {kCounts, "groups", GGFP8_ERROR_INVALID_ALIGNMENT, "multiple of 4",
     [](Args& x) { x.groups = address<const void>(0x5002); }},
    // Two group arrays, or that of another layout or type.
    {kIndptr, "m_indptr", kLayout, "beside group_layout indptr of int32 and an array as groups",
     give_m_indptr},
    {kEnds, "m_indptr", kLayout, "beside group_layout ends of int32 and an array", give_m_indptr},
    {kCounts, "m_indptr", kLayout, "beside group_layout counts of int32, wanted NULL",
     [](Args& x) {
       give_m_indptr(x);
       x.groups = nullptr;
     }},
    {kIndptr, "m_indptr", kLayout, "beside group_layout indptr of int64, wanted NULL",
     [](Args& x) {
       give_m_indptr(x);
       x.groups = nullptr;
       x.group_dtype = GGFP8_DTYPE_INT64;
     }},

    {kEnds, "group_alignment", kLayout, "at least 1", [](Args& x) { x.group_alignment = -8; }},
    {kIndptr, "group_alignment", kLayout, "belongs to ends and counts",
     [](Args& x) { x.group_alignment = 8; }},
    {kMasked, "group_alignment", kLayout, "got 2 with group_layout masked",
     [](Args& x) { x.group_alignment = 2; }},
    {kMasked, "expected_m", GGFP8_ERROR_INVALID_SHAPE, "at least 0",
     [](Args& x) { x.expected_m = -1; }},
    {kCounts, "expected_m", kLayout, "belongs to masked", [](Args& x) { x.expected_m = 7; }},
    {kMasked, "cum_m", GGFP8_ERROR_INVALID_SHAPE, "multiple of batch_size = 5",
     [](Args& x) { x.cum_m = 301; }},

    {kEnds, "a_group_stride", kLayout, "belongs to masked", [](Args& x) { x.a_group_stride = 16; }},
    {kIndptr, "out_group_stride", kLayout, "belongs to masked",
     [](Args& x) { x.out_group_stride = -1; }},
    {kCounts, "a_scale_group_stride", kLayout, "got 3 with group_layout counts",
     [](Args& x) { x.a_scale_group_stride = 3; }},
    {kMasked, "a_group_stride", kStride, "multiple of 16", [](Args& x) { x.a_group_stride = 152; }},
    {kMasked, "a_group_stride", kStride, "at least 0", [](Args& x) { x.a_group_stride = -16; }},
    {kMasked, "a_group_stride", kStride, "addressable",
     [](Args& x) { x.a_group_stride = int64_t{1} << 58; }},
    {kMasked, "a_scale_group_stride", kStride, "at least 0",
     [](Args& x) { x.a_scale_group_stride = -1; }},
    {kMasked, "a_row_stride", kStride, "at least 144", [](Args& x) { x.a_row_stride = 128; }},
    {kMasked, "out_group_stride", kStride, "do not overlap",
     [](Args& x) { x.out_group_stride = 60 * 200 - 1; }},
    {kMasked, "out_group_stride", kStride, "slabs of 60 rows that do not overlap",
     [](Args& x) {
       x.out_group_stride = 200;
       x.out_row_stride = 5 * 200 - 1;
     }},
    {kMasked, "out_group_stride", kStride, "do not overlap",
     [](Args& x) {
       x.out_group_stride = 199;
       x.out_row_stride = 5000;
     }},
};

void check_illegal_values() {
  for (const Edit& edit : kIllegal) {
    Args args = args_of(edit.layout);
    edit.apply(args);
    const Status status = validated(args).status;
    const char* sentence = ggfp8::last_error();
    const size_t length = std::strlen(edit.name);
    const bool names_it = std::strncmp(sentence, edit.name, length) == 0 && sentence[length] == ':';
    const bool explains = std::strstr(sentence, "got") && std::strstr(sentence, "wanted") &&
                          std::strstr(sentence, edit.words);
    if (!CHECK_EQ(status, edit.status) || !CHECK(names_it && explains)) {
      std::cerr << "  case " << &edit - kIllegal << ", " << edit.name << ": " << sentence << "\n";
    }
  }
}

void check_layouts_of_one_slab() {
  for (const int32_t layout : {kIndptr, kEnds, kCounts}) {
    Args args = args_of(layout);
    args.group_dtype = GGFP8_DTYPE_INT64;
    args.groups = address<const void>(0x5008);
    args.group_alignment = layout == kIndptr ? 1 : 24;
    const auto [status, p, empty] = validated(args);
    CHECK(status == ggfp8::kSuccess && !empty);
    CHECK(static_cast<int32_t>(p.group_kind) == layout && p.groups_are_int64);
    CHECK(p.groups == args.groups && p.group_alignment == args.group_alignment);
    CHECK(p.rows_per_slab() == 300 && p.num_m_blocks == 300 && p.mean_rows() == 60);
    CHECK(p.a.group_stride == 0 && p.out.group_stride == 0 && p.sfa.group_stride == 0);
  }
  const auto [status, p, empty] = validated(args_of(kIndptr));  // int32 may come as groups, too
  CHECK(status == ggfp8::kSuccess && !p.groups_are_int64 && p.group_alignment == 1);
}

void check_masked() {
  Args args = args_of(kMasked);
  Result dense = validated(args);
  const Problem& p = dense.problem;
  CHECK_EQ(dense.status, ggfp8::kSuccess);
  CHECK(p.group_kind == GroupKind::kMasked && p.rows_per_slab() == 60 && p.num_m_blocks == 60);
  CHECK(p.a.group_stride == 60 * 144 && p.out.group_stride == 60 * 200);
  CHECK(p.sfa.mn_stride == 1 && p.sfa.k_stride == 60 && p.sfa.group_stride == 120);

  args.scale_major = GGFP8_SCALE_MAJOR_K;
  args.scale_granularity_m = 128;  // one scale row per slab, of two
  dense = validated(args);
  CHECK(p.num_m_blocks == 1 && p.sfa.k_stride == 1 && p.sfa.group_stride == 2);

  // Interleaved slabs, inputs that all groups share.
  args.out_group_stride = 208;
  args.out_row_stride = 5 * 208;
  args.a_group_stride = 160;
  args.a_row_stride = 5 * 160;
  args.a_scale_group_stride = 1;
  CHECK_EQ(validated(args).status, ggfp8::kSuccess);
  dense = validated(args);
  CHECK(p.a.group_stride == 160 && p.out.group_stride == 208 && p.sfa.group_stride == 1);

  args.cum_m = args.batch_size = 0;
  CHECK(validated(args).status == ggfp8::kSuccess && validated(args).empty);
}

// The hint is what a caller says, within a slab; else 128 rows, or those of slabs of up to 192.
void check_expected_m() {
  const auto expected = [](int64_t rows, int64_t groups, int64_t hint) {
    Args args = args_of(kMasked);
    args.cum_m = rows * groups;
    args.batch_size = groups;
    args.expected_m = hint;
    const Result result = validated(args);
    CHECK_EQ(result.status, ggfp8::kSuccess);
    CHECK_EQ(result.problem.has_unknown_rows(), hint == 0);
    return result.problem.mean_rows();
  };
  CHECK_EQ(expected(256, 32, 16), 16);
  CHECK_EQ(expected(256, 32, 1000), 256);
  CHECK_EQ(expected(256, 32, 0), 128);
  CHECK_EQ(expected(4096, 32, 0), 128);
  CHECK_EQ(expected(256, 4, 0), 128);
  CHECK_EQ(expected(193, 4, 0), 128);
  CHECK_EQ(expected(192, 4, 0), 192);
  CHECK_EQ(expected(100, 4, 0), 100);
  CHECK_EQ(expected(1, 1000, 0), 1);
}

void check_scale_majors() {
  Args args = args_of(kEnds);
  args.b_scale_major = GGFP8_SCALE_MAJOR_K;
  Result result = validated(args);
  CHECK_EQ(result.status, ggfp8::kSuccess);
  CHECK(result.problem.sfa.mn_stride == 1 && result.problem.sfa.k_stride == 300);
  CHECK(result.problem.sfb.mn_stride == 2 && result.problem.sfb.k_stride == 1);
  args.scale_major = GGFP8_SCALE_MAJOR_K;
  args.b_scale_major = 0;
  result = validated(args);
  CHECK(result.problem.sfb.mn_stride == 2 && result.problem.sfb.k_stride == 1);
  args.b_scale_major = GGFP8_SCALE_MAJOR_MN;
  result = validated(args);
  CHECK(result.problem.sfa.mn_stride == 2 && result.problem.sfa.k_stride == 1);
  CHECK(result.problem.sfb.mn_stride == 1 && result.problem.sfb.k_stride == 2);
}

}  // namespace

int main() {
  check_illegal_values();
  check_layouts_of_one_slab();
  check_masked();
  check_expected_m();
  check_scale_majors();
  return check::report();
}
