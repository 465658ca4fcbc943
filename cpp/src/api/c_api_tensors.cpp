// The bodies of the public functions that take arrays with shapes. They are users of the functions
// that take plain pointers: nothing is computed here.
#include "api/guard.h"
#include "api/sized_struct.h"
#include "api/tensors.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {
namespace {

constexpr int kNumObjects = 6;

Status describe_objects(const ggfp8_object_reader& reader, void* tuple, ggfp8_tensor* tensors) {
  for (int idx = 0; idx < kNumObjects; ++idx) {
    ggfp8_tensor& tensor = tensors[idx];
    if (reader.describe(reader.item(tuple, idx), &tensor) != 0) {
      return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                  "object %d: got one that its framework does not describe, wanted an array", idx);
    }
    if (reinterpret_cast<uintptr_t>(tensor.data) < reader.lowest_data) {
      return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                  "object %d: got data at %p, wanted an array with memory", idx, tensor.data);
    }
  }
  return kSuccess;
}

// The framework's stream for work on a tensor; NULL on the host.
Status find_stream(const ggfp8_object_reader& reader, const ggfp8_tensor& tensor, void** stream) {
  *stream = nullptr;
  const bool on_cuda =
      tensor.device_type == GGFP8_DEVICE_CUDA || tensor.device_type == GGFP8_DLPACK_CUDA_MANAGED;
  if (!on_cuda || reader.current_stream(tensor.device_type, tensor.device_id, stream) == 0) {
    return kSuccess;
  }
  return fail(GGFP8_ERROR_INVALID_ARGUMENT,
              "object 0: got device cuda:%d, wanted one of which its framework tells the stream",
              tensor.device_id);
}

}  // namespace
}  // namespace ggfp8

using namespace ggfp8;

extern "C" {

size_t ggfp8_group_gemm_options_size(void) {
  return sizeof(ggfp8_group_gemm_options);
}

int32_t ggfp8_group_gemm_nt_groupwise_tensors(
    const ggfp8_tensor* a, const ggfp8_tensor* b, const ggfp8_tensor* a_scale,
    const ggfp8_tensor* b_scale, const ggfp8_tensor* groups, const ggfp8_tensor* out,
    const ggfp8_tensor* workspace, const ggfp8_group_gemm_options* options, void* stream) {
  return guarded([&]() -> Status {
    if (out == nullptr) {
      return fail(GGFP8_ERROR_INVALID_ARGUMENT, "out: got NULL, wanted an array");
    }
    ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
    WorkspacePart part;
    if (Status s = args_from_tensors({a, b, a_scale, b_scale, groups, out, workspace}, options,
                                     &args, &part)) {
      return s;
    }
    return ggfp8_group_gemm_nt_groupwise(&args, part.data, part.bytes, stream);
  });
}

// NOTE: lock() may end the thread, at the end of Python, by unwinding its stack. No frame around it
// may be noexcept.
int32_t ggfp8_group_gemm_nt_groupwise_objects(const ggfp8_object_reader* reader, void* tuple,
                                              const ggfp8_group_gemm_options* options) {
  ggfp8_tensor tensors[kNumObjects];
  void* stream = nullptr;
  if (Status s = guarded([&]() -> Status {
        if (Status error = describe_objects(*reader, tuple, tensors)) return error;
        return find_stream(*reader, tensors[0], &stream);
      })) {
    return s;
  }
  const auto& [a, b, a_scale, b_scale, groups, out] = tensors;
  void* const state = reader->unlock();
  const int32_t status = ggfp8_group_gemm_nt_groupwise_tensors(&a, &b, &a_scale, &b_scale, &groups,
                                                               &out, nullptr, options, stream);
  reader->lock(state);
  return status;
}

int32_t ggfp8_group_gemm_args_from_tensors(const ggfp8_tensor* a, const ggfp8_tensor* b,
                                           const ggfp8_tensor* a_scale, const ggfp8_tensor* b_scale,
                                           const ggfp8_tensor* groups, const ggfp8_tensor* out,
                                           const ggfp8_group_gemm_options* options,
                                           ggfp8_group_gemm_args* args) {
  return guarded([&]() -> Status {
    ggfp8_group_gemm_args result = GGFP8_GROUP_GEMM_ARGS_INIT;
    WorkspacePart no_workspace;
    if (Status s = args_from_tensors({a, b, a_scale, b_scale, groups, out, nullptr}, options,
                                     &result, &no_workspace)) {
      return s;
    }
    // A caller that knows fewer members could not pass these args on.
    return write_sized_struct(result, sizeof result, args, "args");
  });
}

}  // extern "C"
