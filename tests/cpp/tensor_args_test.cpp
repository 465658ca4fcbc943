// ggfp8_group_gemm_args_from_tensors: the args that arrays become, in the forms that a description
// may have, and the addresses that an array takes.
#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "api/tensor_overlap.h"
#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "tensor_call.h"

namespace {

using Args = ggfp8_group_gemm_args;

Args made(TestCall& call, bool with_out = true) {
  Args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  CHECK_EQ(call.make_args(&args, with_out), GGFP8_SUCCESS);
  return args;
}

void check_members() {
  TestCall call;
  call.a.strides = {512, 1};
  call.a.tensor.byte_offset = 3;
  call.b.strides = {8192, 512, 1};
  call.b.set_dtype(GGFP8_DLPACK_FLOAT8_E5M2, 8);
  call.out.strides = {32, 1};
  call.a_scale.strides = {7, 1};
  call.options.scale_granularity_k = 128;
  call.options.mma_sm = 2;
  call.options.backend = "cpu";
  call.options.flags = GGFP8_FLAG_VALIDATE_M_INDPTR;
  const Args args = made(call);
  CHECK(args.a == call.a_memory.data() + 3 && args.b == call.b_memory.data());
  CHECK(args.a_scale == call.a_scale_memory.data());
  CHECK(args.b_scale == call.b_scale_memory.data());
  CHECK(args.m_indptr == call.m_indptr_memory.data() && args.out == call.out_memory.data());
  CHECK(args.cum_m == 6 && args.n == 16 && args.k == 256 && args.batch_size == 2);
  CHECK(args.a_row_stride == 512 && args.b_row_stride == 512 && args.b_group_stride == 8192);
  CHECK(args.out_row_stride == 32 && args.a_scale_stride == 7);
  CHECK(args.b_scale_stride == 1 && args.b_scale_group_stride == 2);
  CHECK(args.a_dtype == GGFP8_DTYPE_FLOAT8_E4M3FN && args.b_dtype == GGFP8_DTYPE_FLOAT8_E5M2);
  CHECK(args.out_dtype == GGFP8_DTYPE_FLOAT32 && args.mma_sm == 2);
  CHECK(args.scale_granularity_k == 128 && args.flags == GGFP8_FLAG_VALIDATE_M_INDPTR);
  CHECK(args.device_type == GGFP8_DEVICE_CPU && args.device_id == 0);
  CHECK(std::strcmp(args.backend, "cpu") == 0);
}

void check_cuda_devices() {
  for (int32_t type : {GGFP8_DEVICE_CUDA, GGFP8_DLPACK_CUDA_MANAGED}) {
    TestCall call;
    for (TestTensor* x :
         {&call.a, &call.b, &call.a_scale, &call.b_scale, &call.m_indptr, &call.out}) {
      x->tensor.device_type = type;
      x->tensor.device_id = 2;
    }
    const Args args = made(call);
    CHECK(args.device_type == GGFP8_DEVICE_CUDA && args.device_id == 2);
  }
}

// Without out: dense, aligned, of the type that the options name.
void check_assumed_out() {
  TestCall call;
  Args args = made(call, false);
  CHECK(args.out_dtype == GGFP8_DTYPE_BFLOAT16 && args.out_row_stride == 16);
  CHECK_EQ(reinterpret_cast<uintptr_t>(args.out) % GGFP8_WORKSPACE_ALIGNMENT, uintptr_t{0});
  size_t bytes = 1;
  CHECK_EQ(ggfp8_group_gemm_workspace_size(&args, &bytes), GGFP8_SUCCESS);
  call.options.out_dtype = GGFP8_DTYPE_FLOAT16;
  CHECK_EQ(made(call, false).out_dtype, GGFP8_DTYPE_FLOAT16);
}

// Axes of one element, and arrays without elements, have no stride.
void check_missing_strides() {
  TestCall one_row;
  one_row.a.set_shape({1, 256});
  one_row.a_scale.set_shape({2, 1});
  one_row.out.set_shape({1, 16});
  one_row.a.strides = {0, 1};
  one_row.a_scale.strides = {1, -5};
  one_row.out.strides = {-3, 1};
  const Args args = made(one_row);
  CHECK(args.a_row_stride == 256 && args.out_row_stride == 16 && args.a_scale_stride == 1);

  TestCall no_rows;
  no_rows.a.set_shape({0, 256});
  no_rows.a_scale.set_shape({2, 0});
  no_rows.out.set_shape({0, 16});
  no_rows.a.strides = {0, 7};
  no_rows.out.strides = {-1, 0};
  no_rows.a.tensor.data = no_rows.out.tensor.data = no_rows.a_scale.tensor.data = nullptr;
  CHECK(made(no_rows).a == nullptr);
  CHECK_EQ(no_rows.run(), GGFP8_SUCCESS);
}

// The three forms of a description: strides, none (dense), and sizes that follow the struct.
void check_forms() {
  TestCall call;
  const Args wanted = made(call);
  struct Inline {
    ggfp8_tensor tensor;
    int64_t sizes_and_strides[6];
  } a = {*call.a.get(), {6, 256, 256, 1}}, b = {*call.b.get(), {2, 16, 256, 4096, 256, 1}};
  a.tensor.shape = b.tensor.shape = a.tensor.strides = b.tensor.strides = nullptr;
  ggfp8_tensor out = *call.out.get();
  out.strides = nullptr;
  Args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  CHECK_EQ(ggfp8_group_gemm_args_from_tensors(&a.tensor, &b.tensor, call.a_scale.get(),
                                              call.b_scale.get(), call.m_indptr.get(), &out,
                                              &call.options, &args),
           GGFP8_SUCCESS);
  CHECK(std::memcmp(&args, &wanted, sizeof args) == 0);
}

// The caller's struct must hold all members.
void check_struct_size() {
  TestCall call;
  for (size_t size : {size_t{0}, size_t{200}, sizeof(Args) - 1}) {
    Args args = GGFP8_GROUP_GEMM_ARGS_INIT;
    args.struct_size = size;
    CHECK_EQ(call.make_args(&args), GGFP8_ERROR_INVALID_STRUCT_SIZE);
    CHECK(args.a == nullptr);
  }
  CHECK_EQ(call.make_args(nullptr), GGFP8_ERROR_INVALID_ARGUMENT);
  CHECK_EQ(ggfp8_group_gemm_options_size(), sizeof(ggfp8_group_gemm_options));
}

// Byte addresses of an array's elements.
std::set<uintptr_t> addresses(const ggfp8::Array& array) {
  std::set<uintptr_t> all;
  const uintptr_t bytes = array.dtype.bits / 8u;
  for (int64_t row = 0; row < array.shape[0]; ++row) {
    for (int64_t col = 0; col < array.shape[1]; ++col) {
      const auto start = reinterpret_cast<uintptr_t>(array.data) +
                         static_cast<uintptr_t>(row * array.strides[0] + col) * bytes;
      for (uintptr_t byte = 0; byte < bytes; ++byte) all.insert(start + byte);
    }
  }
  return all;
}

// Random matrices at addresses near each other: memory in common is always found, and what is
// refused without any has rows of different pitches.
void check_overlaps() {
  std::mt19937 random(5);
  const auto uniform = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  int num_apart = 0, num_interleaved = 0;
  for (int round = 0; round < 20000; ++round) {
    int64_t shape[2][2], strides[2][2];
    ggfp8::Array arrays[2];
    for (int i = 0; i < 2; ++i) {
      const int bits = uniform(0, 1) == 0 ? 8 : 16;
      shape[i][0] = uniform(0, 4);
      shape[i][1] = uniform(1, 6);
      strides[i][0] = uniform(0, 2) == 0 ? 128 / bits : shape[i][1] + uniform(0, 8);
      strides[i][1] = 1;
      arrays[i].name = i == 0 ? "out" : "a";
      arrays[i].rank = 2;
      arrays[i].dtype = {GGFP8_DLPACK_UINT, static_cast<uint8_t>(bits)};
      arrays[i].shape = shape[i];
      arrays[i].strides = strides[i];
      arrays[i].data = reinterpret_cast<void*>(static_cast<uintptr_t>(4096 + uniform(0, 60)));
    }
    const std::set<uintptr_t> x = addresses(arrays[0]), y = addresses(arrays[1]);
    const bool overlaps =
        std::any_of(x.begin(), x.end(), [&](uintptr_t address) { return y.count(address) != 0; });
    const ggfp8::Array* const others[] = {&arrays[1]};
    const bool refused = ggfp8::check_apart(arrays[0], others) != ggfp8::kSuccess;
    const int64_t pitches[] = {strides[0][0] * arrays[0].dtype.bits,
                               strides[1][0] * arrays[1].dtype.bits};
    const bool one_pitch = pitches[0] == pitches[1] && shape[0][0] > 1 && shape[1][0] > 1;
    if (overlaps) {
      if (!CHECK(refused)) return;
    } else if (x.empty() || y.empty() || *x.rbegin() < *y.begin() || *y.rbegin() < *x.begin()) {
      ++num_apart;
      if (!CHECK(!refused)) return;
    } else if (one_pitch) {
      num_interleaved += refused ? 0 : 1;
    }
  }
  CHECK(num_apart > 1000);
  CHECK(num_interleaved > 100);
}

}  // namespace

int main() {
  check_members();
  check_cuda_devices();
  check_assumed_out();
  check_missing_strides();
  check_forms();
  check_struct_size();
  check_overlaps();
  return check::report();
}
