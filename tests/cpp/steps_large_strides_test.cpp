// Index arithmetic of the steps past 2^31: the same small call dense, and with one stride at a time
// so large that its array spreads over hardly touched address space, must give the same bytes.
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "address_space.h"
#include "check.h"
#include "groupgemm_fp8/moe.h"

namespace {

constexpr int64_t kRows = 3, kK = 256, kTopK = 2, kBlocks = kK / 128;
constexpr int64_t kLarge = int64_t{3} << 30;

// A matrix of rows that is dense in `dense` and spread in an address space.
struct Matrix {
  void* dense;
  int64_t num_rows, row_bytes, element_bytes;

  int64_t pitch() const { return kLarge * element_bytes; }

  void spread(char* wide) const {
    for (int64_t row = 0; row < num_rows; ++row) {
      std::memcpy(wide + row * pitch(), static_cast<char*>(dense) + row * row_bytes,
                  static_cast<size_t>(row_bytes));
    }
  }
  bool is_same(const char* wide) const {
    for (int64_t row = 0; row < num_rows; ++row) {
      const char* dense_row = static_cast<const char*>(dense) + row * row_bytes;
      if (std::memcmp(wide + row * pitch(), dense_row, static_cast<size_t>(row_bytes)) != 0) {
        return false;
      }
    }
    return true;
  }
};

// Runs with the matrix spread: `run(address)` makes the call, whose results are where `results`
// says and in the matrix itself.
void check_spread(const Matrix& matrix, std::vector<float>* out,
                  const std::function<int32_t(char*)>& run) {
  const AddressSpace space(matrix.num_rows * matrix.pitch());
  if (!CHECK(space.ok())) return;
  const std::vector<float> wanted = *out;
  const bool is_out = matrix.dense == out->data();
  if (!is_out) matrix.spread(space.bytes());
  std::fill(out->begin(), out->end(), -7.0f);
  CHECK_EQ(run(space.bytes()), GGFP8_SUCCESS);
  CHECK(is_out || *out == wanted);
  *out = wanted;
  CHECK(!is_out || matrix.is_same(space.bytes()));
}

struct Combine {
  std::vector<float> x = std::vector<float>(kRows * kK);
  std::vector<int32_t> position = {0, 2, 1, 0, 2, 2};
  std::vector<float> weight = {1, 2, 3, 4, 5, 6};
  std::vector<float> out = std::vector<float>(kRows * kK);
  ggfp8_combine_args args = GGFP8_COMBINE_ARGS_INIT;

  Combine() {
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 97);
    args.x = x.data();
    args.position = position.data();
    args.weight = weight.data();
    args.out = out.data();
    args.x_rows = args.num_tokens = kRows;
    args.top_k = kTopK;
    args.k = kK;
    args.x_dtype = args.weight_dtype = args.out_dtype = GGFP8_DTYPE_FLOAT32;
    args.device_type = GGFP8_DEVICE_CPU;
    CHECK_EQ(ggfp8_combine(&args, nullptr), GGFP8_SUCCESS);
  }
};

template <class Pointer>
void check_combine(Pointer ggfp8_combine_args::* array, int64_t ggfp8_combine_args::* stride,
                   int64_t columns) {
  Combine call;
  void* const dense = const_cast<void*>(static_cast<const void*>(call.args.*array));
  check_spread({dense, kRows, columns * 4, 4}, &call.out, [&](char* address) {
    ggfp8_combine_args args = call.args;
    args.*array = reinterpret_cast<Pointer>(address);
    args.*stride = kLarge;
    return ggfp8_combine(&args, nullptr);
  });
}

struct Quantize {
  std::vector<float> x = std::vector<float>(kRows * kK);
  std::vector<float> out = std::vector<float>(kRows * kK / 4);  // of bytes
  std::vector<float> scale = std::vector<float>(kRows * kBlocks);
  ggfp8_quantize_groupwise_args args = GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT;

  Quantize() {
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 89) - 40;
    args.x = x.data();
    args.out = out.data();
    args.scale = scale.data();
    args.rows = kRows;
    args.k = kK;
    args.x_dtype = GGFP8_DTYPE_FLOAT32;
    args.scale_major = GGFP8_SCALE_MAJOR_K;
    args.device_type = GGFP8_DEVICE_CPU;
    CHECK_EQ(ggfp8_quantize_groupwise(&args, nullptr), GGFP8_SUCCESS);
  }

  int32_t run() { return ggfp8_quantize_groupwise(&args, nullptr); }
};

void check_quantize() {
  Quantize x;
  check_spread({x.x.data(), kRows, kK * 4, 4}, &x.out, [&](char* address) {
    x.args.x = address;
    x.args.x_row_stride = kLarge;
    return x.run();
  });
  Quantize out;
  check_spread({out.out.data(), kRows, kK, 1}, &out.out, [&](char* address) {
    out.args.out = address;
    out.args.out_row_stride = kLarge;
    return out.run();
  });
  Quantize scale;  // rows of the scales of a row
  check_spread({scale.scale.data(), kRows, kBlocks * 4, 4}, &scale.scale, [&](char* address) {
    scale.args.scale = reinterpret_cast<float*>(address);
    scale.args.scale_stride = kLarge;
    return scale.run();
  });
}

void check_route() {
  std::vector<int32_t> index = {3, 1, 0, 3, 2, 1}, position(kRows * kTopK), rows(kRows * kTopK);
  std::vector<float> bounds(5);  // of the bits of int32
  ggfp8_route_args args = GGFP8_ROUTE_ARGS_INIT;
  args.top_k_index = index.data();
  args.row_index = rows.data();
  args.position = position.data();
  args.m_indptr = reinterpret_cast<int32_t*>(bounds.data());
  args.num_tokens = kRows;
  args.top_k = kTopK;
  args.batch_size = 4;
  args.device_type = GGFP8_DEVICE_CPU;
  CHECK_EQ(ggfp8_route(&args, nullptr, 0, nullptr), GGFP8_SUCCESS);
  const std::vector<int32_t> wanted = position;
  check_spread({index.data(), kRows, kTopK * 4, 4}, &bounds, [&](char* address) {
    args.top_k_index = address;
    args.top_k_index_row_stride = kLarge;
    return ggfp8_route(&args, nullptr, 0, nullptr);
  });
  CHECK(position == wanted);
}

}  // namespace

int main() {
  using Args = ggfp8_combine_args;
  check_combine(&Args::x, &Args::x_row_stride, kK);
  check_combine(&Args::position, &Args::position_row_stride, kTopK);
  check_combine(&Args::weight, &Args::weight_row_stride, kTopK);
  check_combine(&Args::out, &Args::out_row_stride, kK);
  check_quantize();
  check_route();
  return check::report();
}
