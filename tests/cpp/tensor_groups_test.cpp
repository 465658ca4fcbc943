// The functions that take arrays, with groups of every layout: results, the args that come of
// masked arrays, views of scales as other libraries hold them, and what wrong arrays are told.
#include <cstring>
#include <functional>
#include <iostream>
#include <vector>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "status_names.h"
#include "tensor_call.h"

namespace {

using Args = ggfp8_group_gemm_args;

// Gives the call another group array, of int32 or int64.
void set_groups(TestCall& call, int32_t layout, std::vector<int64_t> values, bool is_int64) {
  call.options.group_layout = layout;
  std::vector<int32_t>& memory = call.m_indptr_memory;
  memory.assign(2 * values.size() + 2, 0);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!is_int64) memory[i] = static_cast<int32_t>(values[i]);
    if (is_int64) std::memcpy(&memory[2 * i], &values[i], sizeof values[i]);
  }
  call.m_indptr.tensor.data = memory.data();
  call.m_indptr.set_dtype(GGFP8_DLPACK_INT, is_int64 ? 64 : 32);
  call.m_indptr.set_shape({static_cast<int64_t>(values.size())});
}

// Two slabs of three rows; a_scale has an axis of groups, too.
void make_masked(TestCall& call, std::vector<int64_t> counts, bool is_int64) {
  set_groups(call, GGFP8_GROUPS_MASKED, counts, is_int64);
  call.a.set_shape({2, 3, TestCall::kK});
  call.out.set_shape({2, 3, TestCall::kN});
  call.a_scale_memory = {1, 2, 4, 1, 2, 4, 8, 16, 32, 8, 16, 32};
  call.a_scale.tensor.data = call.a_scale_memory.data();
  call.a_scale.set_shape({2, 2, 3});
}

void check_results() {
  for (const bool is_int64 : {false, true}) {
    TestCall indptr, ends, counts, masked;
    set_groups(indptr, GGFP8_GROUPS_INDPTR, {0, 2, 6}, is_int64);
    set_groups(ends, GGFP8_GROUPS_ENDS, {2, 6}, is_int64);
    set_groups(counts, GGFP8_GROUPS_COUNTS, {2, 4}, is_int64);
    make_masked(masked, {3, 3}, is_int64);
    for (TestCall* call : {&indptr, &ends, &counts, &masked}) {
      for (const uint32_t flags : {0u, GGFP8_FLAG_VALIDATE_M_INDPTR}) {
        std::fill(call->out_memory.begin(), call->out_memory.end(), -1.0f);
        call->options.flags = flags;
        if (!CHECK_EQ(call->run(), GGFP8_SUCCESS)) std::cerr << ggfp8_last_error() << "\n";
        CHECK(call->options.group_layout == GGFP8_GROUPS_MASKED || call->out_is_right());
      }
    }
    // Slab 0 has rows 0 to 2 and slab 1 rows 3 to 5 of the ordinary call.
    for (size_t i = 0; i < 6 * TestCall::kN; ++i) {
      CHECK_EQ(masked.out_memory[i], 512.0f * static_cast<float>(1 << i / TestCall::kN));
    }
  }
}

// Rows past a count and before an aligned start keep what they held.
void check_gaps() {
  TestCall masked, ends;
  make_masked(masked, {1, 2}, true);
  CHECK_EQ(masked.run(), GGFP8_SUCCESS);
  set_groups(ends, GGFP8_GROUPS_ENDS, {1, 5}, false);
  ends.options.group_alignment = 3;
  CHECK_EQ(ends.run(), GGFP8_SUCCESS);
  for (const TestCall* call : {&masked, &ends}) {
    const bool written[] = {true, false, false, true, true, false};
    for (size_t i = 0; i < 6 * TestCall::kN; ++i) {
      CHECK_EQ(call->out_memory[i] != -1.0f, written[i / TestCall::kN]);
    }
  }
}

Args made(TestCall& call) {
  Args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  CHECK_EQ(call.make_args(&args), GGFP8_SUCCESS);
  return args;
}

void check_masked_args() {
  TestCall call;
  make_masked(call, {1, 2}, true);
  call.a.strides = {256, 512, 1};
  call.out.strides = {16, 32, 1};  // slabs interleaved row by row
  call.a_scale_memory.resize(64);
  call.a_scale.tensor.data = call.a_scale_memory.data();
  call.a_scale.strides = {40, 7, 1};
  call.options.expected_m = 2;
  Args args = made(call);
  CHECK(args.group_layout == GGFP8_GROUPS_MASKED && args.group_dtype == GGFP8_DTYPE_INT64);
  CHECK(args.groups == call.m_indptr_memory.data() && args.m_indptr == nullptr);
  CHECK(args.cum_m == 6 && args.batch_size == 2 && args.expected_m == 2);
  CHECK(args.a_row_stride == 512 && args.a_group_stride == 256);
  CHECK(args.out_row_stride == 32 && args.out_group_stride == 16);
  CHECK(args.a_scale_stride == 7 && args.a_scale_group_stride == 40);
  CHECK_EQ(args.scale_major, GGFP8_SCALE_MAJOR_MN);

  // (G, T, k / 128) with strides (T * k / 128, 1, T): an MN-major matrix for every group.
  call.options.scale_major = GGFP8_SCALE_MAJOR_K;
  call.b_scale.set_shape({2, 1, 2});
  call.a_scale.set_shape({2, 3, 2});
  call.a_scale.strides = {6, 1, 3};
  args = made(call);
  CHECK(args.scale_major == GGFP8_SCALE_MAJOR_MN && args.b_scale_major == GGFP8_SCALE_MAJOR_K);
  CHECK(args.a_scale_stride == 3 && args.a_scale_group_stride == 6);
  CHECK(args.a_scale == call.a_scale_memory.data());
}

// Axes of one element have no stride, whichever layout they are in.
void check_missing_strides() {
  TestCall call;
  make_masked(call, {1, 1}, false);
  call.a.set_shape({2, 1, 256});
  call.out.set_shape({2, 1, 16});
  call.a_scale.set_shape({2, 2, 1});
  call.a.strides = {256, 0, 1};
  call.out.strides = {16, -3, 1};
  call.a_scale.strides = {2, 1, 99};
  const Args args = made(call);
  CHECK(args.a_row_stride == 256 && args.a_group_stride == 256 && args.out_group_stride == 16);
  CHECK(args.a_scale_stride == 1 && args.a_scale_group_stride == 2);

  TestCall empty;
  make_masked(empty, {}, false);
  empty.a.set_shape({0, 3, 256});
  empty.b.set_shape({0, 16, 256});
  empty.out.set_shape({0, 3, 16});
  empty.a_scale.set_shape({0, 2, 3});
  empty.b_scale.set_shape({0, 2, 1});
  CHECK_EQ(empty.run(), GGFP8_SUCCESS);
}

// Views whose last two axes were swapped, of scales in each layout: no copy, the same result.
void check_swapped_scales() {
  TestCall k_shape;  // (rows, k blocks) stored as (k blocks, rows)
  k_shape.options.scale_major = GGFP8_SCALE_MAJOR_K;
  k_shape.a_scale.set_shape({6, 2});
  k_shape.a_scale.strides = {1, 6};
  k_shape.b_scale.set_shape({2, 1, 2});
  CHECK_EQ(k_shape.run(), GGFP8_SUCCESS);
  CHECK(k_shape.out_is_right());
  CHECK_EQ(made(k_shape).scale_major, GGFP8_SCALE_MAJOR_MN);

  TestCall mn_shape;  // (k blocks, rows) stored as (rows, k blocks)
  mn_shape.a_scale_memory = {1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32};
  mn_shape.a_scale.tensor.data = mn_shape.a_scale_memory.data();
  mn_shape.a_scale.strides = {1, 2};
  CHECK_EQ(mn_shape.run(), GGFP8_SUCCESS);
  CHECK(mn_shape.out_is_right());
  CHECK_EQ(made(mn_shape).scale_major, GGFP8_SCALE_MAJOR_K);
}

struct Refusal {
  int32_t status;
  const char* sentence;
  std::function<void(TestCall&)> change;
};

const Refusal kRefusals[] = {
    {kDtype, "m_ends: got dtype float32, wanted int32 or int64",
     [](TestCall& x) {
       set_groups(x, GGFP8_GROUPS_ENDS, {2, 6}, false);
       x.m_indptr.set_dtype(GGFP8_DLPACK_FLOAT, 32);
     }},
    {kShape,
     "m_ends: got shape (3,), wanted (2,): the row after the last one of each group; this is the "
     "length of an m_indptr",
     [](TestCall& x) { x.options.group_layout = GGFP8_GROUPS_ENDS; }},
    {kShape, "m_counts: got shape (4,), wanted (2,): the number of rows of each group",
     [](TestCall& x) { set_groups(x, GGFP8_GROUPS_COUNTS, {1, 2, 3, 4}, true); }},
    {kShape, "a: got shape (6, 256), wanted (batch_size, T, k) with masked groups",
     [](TestCall& x) { set_groups(x, GGFP8_GROUPS_MASKED, {1, 2}, true); }},
    {kShape,
     "a: got shape (2, 3, 256), wanted (cum_m, k); slabs, (batch_size, T, k), go with m_counts in "
     "the masked layout",
     [](TestCall& x) { x.a.set_shape({2, 3, 256}); }},
    {kShape, "a: got shape (16777216, 2000, 256), wanted at most 2147483520 rows",
     [](TestCall& x) {
       make_masked(x, {1, 2}, true);
       x.a.set_shape({16777216, 2000, 256});
     }},
    {kShape, "b: got shape (2, 16, 256), wanted (3, n, 256) like a of shape (3, 3, 256)",
     [](TestCall& x) {
       make_masked(x, {1, 2}, true);
       x.a.set_shape({3, 3, 256});
     }},
    {kShape, "out: got shape (6, 16), wanted (2, 3, 16) like a and b",
     [](TestCall& x) {
       make_masked(x, {1, 2}, true);
       x.out.set_shape({6, 16});
     }},
    {kShape,
     "a_scale: got shape (2, 3, 2), that is the layout of scale_major_mode='K', wanted (2, 2, 3) "
     "for scale_major_mode='MN' and scale_granularity_mnk (1, 128, 128)",
     [](TestCall& x) {
       make_masked(x, {1, 2}, true);
       x.a_scale.set_shape({2, 3, 2});
     }},
    {kStride, "out: got strides (40, 16, 1), wanted slabs that do not overlap",
     [](TestCall& x) {
       make_masked(x, {1, 2}, true);
       x.out.strides = {40, 16, 1};
     }},
    {kStride, "a: got strides (776, 256, 1), wanted on axis 0 a multiple of 16 and at least 16",
     [](TestCall& x) {
       make_masked(x, {1, 2}, true);
       x.a.strides = {776, 256, 1};
     }},
    {kStride, "a_scale: got strides (1, 5), wanted on axis 1 at least 6",
     [](TestCall& x) {
       x.options.scale_major = GGFP8_SCALE_MAJOR_K;
       x.a_scale.set_shape({6, 2});
       x.a_scale.strides = {1, 5};
     }},
    {kStride, "a_scale: got strides (1, -6), wanted positive ones; pass a contiguous a_scale",
     [](TestCall& x) {
       x.options.scale_major = GGFP8_SCALE_MAJOR_K;
       x.a_scale.set_shape({6, 2});
       x.a_scale.strides = {1, -6};
     }},
    {kStride,
     "a_scale: got strides (2, 12), wanted 1 on the last axis and positive ones before it; pass a "
     "contiguous a_scale",
     [](TestCall& x) { x.a_scale.strides = {2, 12}; }},
    {kStride,
     "b_scale: got strides (4, 1, 2), wanted 1 on the last axis and positive ones before it; pass "
     "a contiguous b_scale",
     [](TestCall& x) {
       x.options.scale_granularity_n = 64;
       x.b.set_shape({2, 128, 256});
       x.b_scale.set_shape({2, 2, 2});
       x.b_scale.strides = {4, 1, 2};
     }},
    {kLayout, "group_layout: got 9, wanted 0 (indptr)",
     [](TestCall& x) { x.options.group_layout = 9; }},
    {kLayout, "group_alignment: got 8 with group_layout indptr, wanted 1",
     [](TestCall& x) { x.options.group_alignment = 8; }},
    {kLayout, "expected_m: got 8 with group_layout indptr, wanted 0: it belongs to masked",
     [](TestCall& x) { x.options.expected_m = 8; }},
    {GGFP8_ERROR_INVALID_M_INDPTR, "m_counts[1]: got 5, wanted 0 to 4",
     [](TestCall& x) {
       set_groups(x, GGFP8_GROUPS_COUNTS, {2, 5}, true);
       x.options.flags = GGFP8_FLAG_VALIDATE_M_INDPTR;
     }},
};

void check_refusals() {
  for (const Refusal& refusal : kRefusals) {
    TestCall call;
    refusal.change(call);
    const int32_t status = call.run(true);
    const char* sentence = ggfp8_last_error();
    const bool matches =
        std::strncmp(sentence, refusal.sentence, std::strlen(refusal.sentence)) == 0;
    if (!CHECK_EQ(status, refusal.status) || !CHECK(matches) || !CHECK(call.out_is_untouched())) {
      std::cerr << "  case " << &refusal - kRefusals << ": got    " << sentence << "\n  wanted "
                << refusal.sentence << "\n";
    }
  }
}

// Sizes at the end of int64, alone or beside an axis of no elements, are refused, and no arithmetic
// of the checks overflows (the sanitizer build watches).
void check_extreme_sizes() {
  TestTensor TestCall::* const tensors[] = {&TestCall::a,        &TestCall::b,
                                            &TestCall::a_scale,  &TestCall::b_scale,
                                            &TestCall::m_indptr, &TestCall::out};
  const auto check = [&](TestTensor TestCall::* tensor, size_t axis, int64_t size, int variant) {
    TestCall call;
    if ((variant & 1) != 0) make_masked(call, {1, 2}, true);
    if ((variant & 2) != 0) call.options.scale_granularity_m = 128;
    std::vector<int64_t>& shape = (call.*tensor).shape;
    if (axis >= shape.size()) return;
    if ((variant & 4) != 0) std::fill(shape.begin(), shape.end(), 0);
    shape[axis] = size;  // the strides stay
    CHECK_EQ(call.run(), kShape);
    CHECK(call.out_is_untouched());
  };
  for (TestTensor TestCall::* tensor : tensors) {
    for (size_t axis = 0; axis < 3; ++axis) {
      for (int64_t size : {INT64_MAX, INT64_MAX - 126, int64_t{1} << 62, int64_t{1} << 31}) {
        for (int variant = 0; variant < 8; ++variant) check(tensor, axis, size, variant);
      }
    }
  }
}

void check_plan() {
  const char* names[] = {"indptr", "ends", "counts", "masked"};
  for (int32_t layout = 0; layout < 4; ++layout) {
    TestCall call;
    if (layout == GGFP8_GROUPS_MASKED) {
      make_masked(call, {1, 2}, true);
    } else if (layout != GGFP8_GROUPS_INDPTR) {
      set_groups(call, layout, {1, 2}, true);
    }
    const Args args = made(call);
    ggfp8_plan_info plan = {};
    plan.struct_size = sizeof plan;
    CHECK_EQ(ggfp8_group_gemm_plan(&args, &plan), GGFP8_SUCCESS);
    CHECK(std::strcmp(plan.group_layout, names[layout]) == 0);
  }
}

}  // namespace

int main() {
  check_results();
  check_gaps();
  check_masked_args();
  check_missing_strides();
  check_swapped_scales();
  check_refusals();
  check_extreme_sizes();
  check_plan();
  return check::report();
}
