// A grouped product of arrays that carry their shapes: no sizes or strides to fill in, and every
// mistake is told in terms of the arrays.
//
// A DLTensor of DLPack has the layout of ggfp8_tensor, so a program with such tensors casts:
//
//     reinterpret_cast<const ggfp8_tensor*>(&managed->dl_tensor)
//
// On a GPU data is device memory, device_type is GGFP8_DEVICE_CUDA, and the last argument is the
// cudaStream_t.
#include <groupgemm_fp8/groupgemm_fp8.h>

#include <cstdint>
#include <cstdio>
#include <vector>

namespace {

// Describes dense memory of the CPU; strides may be missing then.
ggfp8_tensor dense(void* data, std::vector<int64_t>& shape, uint32_t code, int bits) {
  ggfp8_tensor tensor = {};
  tensor.data = data;
  tensor.device_type = GGFP8_DEVICE_CPU;
  tensor.ndim = static_cast<int32_t>(shape.size());
  tensor.dtype_code = static_cast<uint8_t>(code);
  tensor.dtype_bits = static_cast<uint8_t>(bits);
  tensor.dtype_lanes = 1;
  tensor.shape = shape.data();
  return tensor;
}

}  // namespace

int main() {
  std::vector<uint8_t> a(6 * 128, 0x38), b(2 * 16 * 128, 0x40);  // 1.0 and 2.0 in E4M3
  std::vector<float> a_scale = {1, 2, 4, 8, 16, 32}, b_scale = {0.5f, 0.25f}, out(6 * 16);
  std::vector<int32_t> m_indptr = {0, 2, 6};

  std::vector<int64_t> a_shape = {6, 128}, b_shape = {2, 16, 128}, a_scale_shape = {1, 6},
                       b_scale_shape = {2, 1, 1}, m_indptr_shape = {3}, out_shape = {6, 16};
  const ggfp8_tensor a_tensor = dense(a.data(), a_shape, GGFP8_DLPACK_FLOAT8_E4M3FN, 8);
  const ggfp8_tensor b_tensor = dense(b.data(), b_shape, GGFP8_DLPACK_FLOAT8_E4M3FN, 8);
  const ggfp8_tensor sa_tensor = dense(a_scale.data(), a_scale_shape, GGFP8_DLPACK_FLOAT, 32);
  const ggfp8_tensor sb_tensor = dense(b_scale.data(), b_scale_shape, GGFP8_DLPACK_FLOAT, 32);
  const ggfp8_tensor indptr_tensor = dense(m_indptr.data(), m_indptr_shape, GGFP8_DLPACK_INT, 32);
  const ggfp8_tensor out_tensor = dense(out.data(), out_shape, GGFP8_DLPACK_FLOAT, 32);

  const int32_t status = ggfp8_group_gemm_nt_groupwise_tensors(
      &a_tensor, &b_tensor, &sa_tensor, &sb_tensor, &indptr_tensor, &out_tensor,
      nullptr /* workspace */, nullptr /* options: defaults */, nullptr /* stream */);
  if (status != GGFP8_SUCCESS) {
    std::fprintf(stderr, "%s\n", ggfp8_last_error());
    return 1;
  }
  std::printf("%g %g\n", out[0], out[5 * 16]);  // a_scale * b_scale * 128 * 2
  return out[0] == 128 && out[5 * 16] == 2048 ? 0 : 1;
}
