// The functions that take arrays: what becomes of legal ones, and what every kind of wrong array
// is told. A sentence names the array, and out is untouched.
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

void* moved(const void* pointer, int bytes) {
  return static_cast<char*>(const_cast<void*>(pointer)) + bytes;
}

// An array, or options, that the call refuses: the whole sentence, where it holds no address.
struct Refusal {
  int32_t status;
  const char* sentence;
  std::function<void(TestCall&)> change;
};

const Refusal kRefusals[] = {
    // types
    {kDtype, "a: got dtype float32, wanted float8_e4m3fn or float8_e5m2",
     [](TestCall& x) { x.a.set_dtype(GGFP8_DLPACK_FLOAT, 32); }},
    {kDtype,
     "a: got dtype uint8, wanted float8_e4m3fn or float8_e5m2; say with a_dtype which of them "
     "these bytes are",
     [](TestCall& x) { x.a.set_dtype(GGFP8_DLPACK_UINT, 8); }},
    {kDtype, "a: got dtype float8_e4m3fnx2, wanted float8_e4m3fn or float8_e5m2",
     [](TestCall& x) { x.a.set_dtype(GGFP8_DLPACK_FLOAT8_E4M3FN, 8, 2); }},
    {kDtype, "a: got dtype float8_e4m3fn of 16 bits, wanted float8_e4m3fn or float8_e5m2",
     [](TestCall& x) { x.a.set_dtype(GGFP8_DLPACK_FLOAT8_E4M3FN, 16); }},
    {kDtype, "b: got dtype float8_e4m3fnuz, wanted float8_e4m3fn or float8_e5m2",
     [](TestCall& x) { x.b.set_dtype(11, 8); }},
    {kDtype,
     "b: got dtype float8 (DLPack code 2, which does not say which float of 8 bits), wanted "
     "float8_e4m3fn or float8_e5m2",
     [](TestCall& x) { x.b.set_dtype(GGFP8_DLPACK_FLOAT, 8); }},
    {kDtype, "b: got dtype DLPack code 99 of 8 bits, wanted float8_e4m3fn or float8_e5m2",
     [](TestCall& x) { x.b.set_dtype(99, 8); }},
    {kDtype, "a_dtype: got float8_e5m2, wanted float8_e4m3fn, the dtype of a",
     [](TestCall& x) { x.options.a_dtype = GGFP8_DTYPE_FLOAT8_E5M2; }},
    {kDtype, "b: got dtype bfloat16, wanted float8_e4m3fn or float8_e5m2",
     [](TestCall& x) {
       x.b.set_dtype(GGFP8_DLPACK_BFLOAT, 16);
       x.options.b_dtype = GGFP8_DTYPE_FLOAT8_E5M2;
     }},
    {kDtype,
     "a_scale: got dtype float8_e8m0fnu, wanted float32; convert the scales once: .float() of "
     "PyTorch, .astype('float32') of NumPy and JAX",
     [](TestCall& x) { x.a_scale.set_dtype(14, 8); }},
    {kDtype, "b_scale: got dtype float64, wanted float32",
     [](TestCall& x) { x.b_scale.set_dtype(GGFP8_DLPACK_FLOAT, 64); }},
    {kDtype, "m_indptr: got dtype bool, wanted int32 or int64",
     [](TestCall& x) { x.m_indptr.set_dtype(6, 8); }},
    {kDtype, "out: got dtype complex64, wanted bfloat16, float16 or float32",
     [](TestCall& x) { x.out.set_dtype(5, 64); }},
    {kDtype, "out: got dtype float8_e4m3fn, wanted bfloat16, float16 or float32",
     [](TestCall& x) { x.out.set_dtype(GGFP8_DLPACK_FLOAT8_E4M3FN, 8); }},
    {kDtype, "out_dtype: got bfloat16, wanted float32, the dtype of out",
     [](TestCall& x) { x.options.out_dtype = GGFP8_DTYPE_BFLOAT16; }},
    {kDtype, "workspace: got dtype float32, wanted uint8",
     [](TestCall& x) { x.workspace.set_dtype(GGFP8_DLPACK_FLOAT, 32); }},

    // shapes
    {kShape, "a: got shape (256,), wanted (cum_m, k)", [](TestCall& x) { x.a.set_shape({256}); }},
    {kShape, "a: got shape (1, 1, 1, 1, 1, 1, 1, 6, ...), wanted (cum_m, k)",
     [](TestCall& x) { x.a.set_shape({1, 1, 1, 1, 1, 1, 1, 6, 256}); }},
    {kShape, "a: got shape (), wanted (cum_m, k)", [](TestCall& x) { x.a.set_shape({}); }},
    {kShape, "a: got shape (-6, 256), wanted no negative size",
     [](TestCall& x) { x.a.set_shape({-6, 256}); }},
    {kShape,
     "a: got shape (6, 100), wanted (cum_m, k) with k a multiple of 16 from 0 to 2147483520",
     [](TestCall& x) { x.a.set_shape({6, 100}); }},
    {kShape, "a: got shape (2147483648, 16), wanted (cum_m, k) with cum_m from 0 to 2147483520",
     [](TestCall& x) { x.a.set_shape({int64_t{1} << 31, 16}); }},
    {kShape, "b: got shape (16, 256), wanted (batch_size, n, 256) like a of shape (6, 256)",
     [](TestCall& x) { x.b.set_shape({16, 256}); }},
    {kShape, "b: got shape (2, 16, 128), wanted (batch_size, n, 256) like a of shape (6, 256)",
     [](TestCall& x) { x.b.set_shape({2, 16, 128}); }},
    {kShape,
     "b: got shape (2, 256, 16), that is (batch_size, k, n), wanted (batch_size, n, 256) like a "
     "of shape (6, 256)",
     [](TestCall& x) { x.b.set_shape({2, 256, 16}); }},
    {kShape,
     "b: got shape (2, 12, 256), wanted (batch_size, n, k) with n a multiple of 8 from 0 to "
     "2147483520",
     [](TestCall& x) { x.b.set_shape({2, 12, 256}); }},
    {kShape,
     "b: got shape (16777217, 8, 256), wanted (batch_size, n, k) with batch_size from 0 to "
     "16777216",
     [](TestCall& x) { x.b.set_shape({16777217, 8, 256}); }},
    {kShape,
     "a_scale: got shape (2, 7), wanted (2, 6) for scale_major_mode='MN' and "
     "scale_granularity_mnk (1, 128, 128)",
     [](TestCall& x) { x.a_scale.set_shape({2, 7}); }},
    {kShape,
     "a_scale: got shape (6, 2), that is the layout of scale_major_mode='K', wanted (2, 6) for "
     "scale_major_mode='MN' and scale_granularity_mnk (1, 128, 128)",
     [](TestCall& x) { x.a_scale.set_shape({6, 2}); }},
    {kShape,
     "a_scale: got shape (2, 6), that is the layout of scale_major_mode='MN', wanted (6, 2) for "
     "scale_major_mode='K' and scale_granularity_mnk (1, 128, 128)",
     [](TestCall& x) { x.options.scale_major = GGFP8_SCALE_MAJOR_K; }},
    {kShape,
     "a_scale: got shape (2, 6), wanted (4, 1) for scale_major_mode='MN' and "
     "scale_granularity_mnk (128, 64, 64)",
     [](TestCall& x) {
       x.options.scale_granularity_m = 128;
       x.options.scale_granularity_n = 64;
       x.options.scale_granularity_k = 64;
     }},
    {kShape,
     "b_scale: got shape (2, 1, 2), that is the layout of scale_major_mode='K', wanted (2, 2, 1) "
     "for scale_major_mode='MN' and scale_granularity_mnk (1, 128, 128)",
     [](TestCall& x) { x.b_scale.set_shape({2, 1, 2}); }},
    {kShape,
     "b_scale: got shape (2, 2, 1), that is the layout of scale_major_mode='MN', wanted (2, 1, 2) "
     "for scale_major_mode='K' and scale_granularity_mnk (1, 128, 128)",
     [](TestCall& x) { x.options.b_scale_major = GGFP8_SCALE_MAJOR_K; }},
    {kShape,
     "b_scale: got shape (2, 2), wanted (2, 2, 1) for scale_major_mode='MN' and "
     "scale_granularity_mnk (1, 128, 128)",
     [](TestCall& x) { x.b_scale.set_shape({2, 2}); }},
    {kShape,
     "m_indptr: got shape (2,), wanted (3,): batch_size + 1 bounds, starting with the first "
     "group's first row (usually 0); these look like m_counts or m_ends",
     [](TestCall& x) { x.m_indptr.set_shape({2}); }},
    {kShape,
     "m_indptr: got shape (4,), wanted (3,): batch_size + 1 bounds, starting with the first "
     "group's first row (usually 0)",
     [](TestCall& x) { x.m_indptr.set_shape({4}); }},
    {kShape, "out: got shape (16, 6), wanted (6, 16) like a and b",
     [](TestCall& x) { x.out.set_shape({16, 6}); }},
    {kShape, "workspace: got shape (32, 32), wanted one axis of bytes",
     [](TestCall& x) { x.workspace.set_shape({32, 32}); }},

    // strides
    {kStride,
     "a: got strides (1, 6), wanted 1 on the last axis and positive ones before it; pass a "
     "contiguous a",
     [](TestCall& x) { x.a.strides = {1, 6}; }},
    {kStride,
     "a: got strides (0, 1), wanted 1 on the last axis and positive ones before it; pass a "
     "contiguous a",
     [](TestCall& x) { x.a.strides = {0, 1}; }},
    {kStride, "a: got strides (264, 1), wanted on axis 0 a multiple of 16 and at least 256",
     [](TestCall& x) { x.a.strides = {264, 1}; }},
    {kStride, "a: got strides (128, 1), wanted on axis 0 a multiple of 16 and at least 256",
     [](TestCall& x) { x.a.strides = {128, 1}; }},
    {kStride,
     "a: got 6 steps of 4611686018427387904 elements on axis 0, wanted every element to be "
     "addressable",
     [](TestCall& x) { x.a.strides = {int64_t{1} << 62, 1}; }},
    {kStride, "b: got strides (4096, 128, 1), wanted on axis 1 a multiple of 16 and at least 256",
     [](TestCall& x) { x.b.strides = {4096, 128, 1}; }},
    {kStride, "b: got strides (256, 256, 1), wanted on axis 0 a multiple of 16 and at least 4096",
     [](TestCall& x) { x.b.strides = {256, 256, 1}; }},
    {kStride, "a_scale: got strides (5, 1), wanted on axis 0 at least 6",
     [](TestCall& x) { x.a_scale.strides = {5, 1}; }},
    {kStride,
     "b_scale: got strides (2, -1, 1), wanted 1 on the last axis and positive ones before it; "
     "pass a contiguous b_scale",
     [](TestCall& x) { x.b_scale.strides = {2, -1, 1}; }},
    {kStride, "b_scale: got strides (1, 1, 1), wanted on axis 0 at least 2",
     [](TestCall& x) { x.b_scale.strides = {1, 1, 1}; }},
    {kStride, "m_indptr: got strides (2,), wanted 1 on the last axis; pass a contiguous m_indptr",
     [](TestCall& x) { x.m_indptr.strides = {2}; }},
    {kStride, "out: got strides (15, 1), wanted on axis 0 at least 16",
     [](TestCall& x) { x.out.strides = {15, 1}; }},
    {kStride,
     "out: got strides (-16, 1), wanted 1 on the last axis and positive ones before it; pass a "
     "contiguous out",
     [](TestCall& x) { x.out.strides = {-16, 1}; }},
    {kStride, "workspace: got strides (2,), wanted 1 on the last axis; pass a contiguous workspace",
     [](TestCall& x) { x.workspace.strides = {2}; }},

    // devices
    {kDevice, "a: got DLPack device type 10, wanted cpu or cuda",
     [](TestCall& x) { x.a.tensor.device_type = 10; }},
    {kDevice, "b: got an array on cuda:1, wanted cpu like a",
     [](TestCall& x) {
       x.b.tensor.device_type = GGFP8_DEVICE_CUDA;
       x.b.tensor.device_id = 1;
     }},
    {kDevice, "b: got an array on cpu, wanted cuda:3 like a",
     [](TestCall& x) {
       x.a.tensor.device_type = GGFP8_DLPACK_CUDA_MANAGED;
       x.a.tensor.device_id = 3;
     }},
    {kDevice, "out: got an array on cuda:0, wanted cpu like a",
     [](TestCall& x) { x.out.tensor.device_type = GGFP8_DEVICE_CUDA; }},
    {kDevice, "workspace: got an array on cuda:0, wanted cpu like a",
     [](TestCall& x) { x.workspace.tensor.device_type = GGFP8_DEVICE_CUDA; }},

    // memory
    {kArgument,
     "a: got an array of shape (6, 256) without memory (its data is NULL), wanted one with memory",
     [](TestCall& x) { x.a.tensor.data = nullptr; }},
    {kArgument,
     "out: got an array of shape (6, 16) without memory (its data is NULL), wanted one with memory",
     [](TestCall& x) {
       x.out.tensor.data = nullptr;
       x.out.tensor.byte_offset = 64;
     }},
    {kAlignment, "a_scale: got address ", [](TestCall& x) { x.a_scale.tensor.byte_offset = 2; }},
    {kAlignment, "b_scale: got address ",
     [](TestCall& x) { x.b_scale.tensor.data = moved(x.b_scale.tensor.data, 1); }},
    {kAlignment, "m_indptr: got address ", [](TestCall& x) { x.m_indptr.tensor.byte_offset = 3; }},
    {kAlignment, "out: got address ", [](TestCall& x) { x.out.tensor.byte_offset = 2; }},
    {kArgument, "out: got memory that a has too (",
     [](TestCall& x) { x.out.tensor.data = x.a.tensor.data; }},
    {kArgument, "out: got memory that m_indptr has too (",
     [](TestCall& x) { x.out.tensor.data = x.m_indptr.tensor.data; }},
    {kArgument, "workspace: got memory that b has too (",
     [](TestCall& x) { x.workspace.tensor.data = x.b.tensor.data; }},
    {kArgument, "workspace: got memory that out has too (",
     [](TestCall& x) { x.workspace.tensor.data = moved(x.out.tensor.data, 32); }},
    {kArgument, "out: got a read-only array, wanted a writable one",
     [](TestCall& x) { x.options.flags = GGFP8_FLAG_OUT_READ_ONLY; }},
    {kArgument, "workspace: got a read-only array, wanted a writable one",
     [](TestCall& x) { x.options.flags = GGFP8_FLAG_WORKSPACE_READ_ONLY; }},

    // options, in the words of validate
    {GGFP8_ERROR_INVALID_GRANULARITY, "scale_granularity_mnk: got (2, 128, 128), wanted",
     [](TestCall& x) { x.options.scale_granularity_m = 2; }},
    {GGFP8_ERROR_INVALID_SCALE_MAJOR, "scale_major: got 3, wanted",
     [](TestCall& x) { x.options.scale_major = 3; }},
    {GGFP8_ERROR_INVALID_SCALE_MAJOR, "b_scale_major: got 3, wanted",
     [](TestCall& x) { x.options.b_scale_major = 3; }},
    {GGFP8_ERROR_INVALID_MMA_SM, "mma_sm: got 3, wanted 1 or 2",
     [](TestCall& x) { x.options.mma_sm = 3; }},
    {kDtype, "a_dtype: got code 99, wanted", [](TestCall& x) { x.options.a_dtype = 99; }},
    {kArgument, "flags: got 0x8, wanted a combination of 0x7",
     [](TestCall& x) { x.options.flags = 8; }},
    {GGFP8_ERROR_INVALID_STRUCT_SIZE, "options.struct_size: got 55, wanted",
     [](TestCall& x) { x.options.struct_size = 55; }},
    {GGFP8_ERROR_UNKNOWN_BACKEND, "backend: got \"none\", wanted",
     [](TestCall& x) { x.options.backend = "none"; }},
};

void check_refusals() {
  for (const Refusal& refusal : kRefusals) {
    TestCall call;
    refusal.change(call);
    const int32_t status = call.run(true);
    const char* sentence = ggfp8_last_error();
    const size_t length = std::strlen(refusal.sentence);
    const bool matches = std::strncmp(sentence, refusal.sentence, length) == 0;
    if (!CHECK_EQ(status, refusal.status) || !CHECK(matches) || !CHECK(call.out_is_untouched())) {
      std::cerr << "  case " << &refusal - kRefusals << ": got    " << sentence << "\n  wanted "
                << refusal.sentence << "\n";
    }
  }
}

void check_missing_arrays() {
  const char* names[] = {"a", "b", "a_scale", "b_scale", "m_indptr", "out"};
  for (size_t missing = 0; missing < 6; ++missing) {
    TestCall x;
    const ggfp8_tensor* tensors[] = {x.a.get(),       x.b.get(),        x.a_scale.get(),
                                     x.b_scale.get(), x.m_indptr.get(), x.out.get()};
    tensors[missing] = nullptr;
    CHECK_EQ(
        ggfp8_group_gemm_nt_groupwise_tensors(tensors[0], tensors[1], tensors[2], tensors[3],
                                              tensors[4], tensors[5], nullptr, nullptr, nullptr),
        kArgument);
    const std::string wanted = std::string(names[missing]) + ": got NULL, wanted an array";
    CHECK(wanted == ggfp8_last_error());
  }
}

// A hostile number of axes must not be followed.
void check_garbage_rank() {
  for (int32_t rank : {-1, 65, INT32_MAX, INT32_MIN}) {
    TestCall call;
    ggfp8_tensor garbage = *call.a.get();
    garbage.ndim = rank;
    CHECK_EQ(ggfp8_group_gemm_nt_groupwise_tensors(&garbage, call.b.get(), call.a_scale.get(),
                                                   call.b_scale.get(), call.m_indptr.get(),
                                                   call.out.get(), nullptr, nullptr, nullptr),
             kShape);
    CHECK(std::strncmp(ggfp8_last_error(), "a: got ", 7) == 0);
  }
}

void check_results() {
  TestCall dense;
  CHECK_EQ(dense.run(), GGFP8_SUCCESS);
  CHECK(dense.out_is_right());

  TestCall strided;  // row strides above the row sizes, and an offset
  strided.a.strides = {2 * TestCall::kK, 1};
  strided.a.tensor.byte_offset = 5;
  strided.b.strides = {2 * TestCall::kN * TestCall::kK, 2 * TestCall::kK, 1};
  strided.out.strides = {2 * TestCall::kN, 1};
  strided.options.flags = GGFP8_FLAG_VALIDATE_M_INDPTR;
  CHECK_EQ(strided.run(true), GGFP8_SUCCESS);
  CHECK(strided.out_is_right());

  TestCall bytes;
  bytes.a.set_dtype(GGFP8_DLPACK_UINT, 8);
  bytes.b.set_dtype(GGFP8_DLPACK_OPAQUE, 8);
  bytes.options.a_dtype = bytes.options.b_dtype = GGFP8_DTYPE_FLOAT8_E4M3FN;
  bytes.options.out_dtype = GGFP8_DTYPE_FLOAT32;
  CHECK_EQ(bytes.run(), GGFP8_SUCCESS);
  CHECK(bytes.out_is_right());

  TestCall pinned;  // pinned host memory names the device that pinned it
  pinned.b.tensor.device_type = GGFP8_DLPACK_CUDA_HOST;
  pinned.b.tensor.device_id = 7;
  CHECK_EQ(pinned.run(), GGFP8_SUCCESS);
  CHECK(pinned.out_is_right());

  TestCall malformed;
  malformed.m_indptr_memory[1] = 7;
  malformed.options.flags = GGFP8_FLAG_VALIDATE_M_INDPTR;
  CHECK_EQ(malformed.run(), GGFP8_ERROR_INVALID_M_INDPTR);
  CHECK(malformed.out_is_untouched());
}

// Both layouts of the scales, each by itself.
void check_scale_majors() {
  for (int major = 0; major < 4; ++major) {
    const bool a_is_k = major % 2 == 1, b_is_k = major / 2 == 1;
    TestCall call;
    call.a_scale_memory =
        a_is_k ? std::vector<float>{1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32} : call.a_scale_memory;
    call.a_scale.tensor.data = call.a_scale_memory.data();
    if (a_is_k) call.a_scale.set_shape({6, 2});
    if (b_is_k) call.b_scale.set_shape({2, 1, 2});
    call.options.scale_major = a_is_k ? GGFP8_SCALE_MAJOR_K : GGFP8_SCALE_MAJOR_MN;
    call.options.b_scale_major = b_is_k ? GGFP8_SCALE_MAJOR_K : GGFP8_SCALE_MAJOR_MN;
    CHECK_EQ(call.run(), GGFP8_SUCCESS);
    CHECK(call.out_is_right());
  }
}

}  // namespace

int main() {
  check_refusals();
  check_missing_arrays();
  check_garbage_rank();
  check_results();
  check_scale_majors();
  return check::report();
}
