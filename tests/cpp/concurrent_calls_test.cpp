// Calls from several threads at once, each with threads of its own, while another thread has the
// environment read again: results are right. ThreadSanitizer watches this test.
//
// Some of the threads share the objects of a tuple and hold no lock while these are described, as
// threads of a Python without a global lock do.
#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "check.h"
#include "ones_call.h"

namespace {

constexpr int64_t kRows = 64, kN = 256, kK = 512;  // worth two threads
constexpr int kCalls = 4;

bool multiply() {
  OnesCall call(kRows, kN, kK, {0, 5, 60, kRows});
  call.number_rows();
  bool ok = call.run() == GGFP8_SUCCESS && call.out_is_right();
  call.args.k = 8;  // and each thread has its own sentence
  ok = ok && call.run() != GGFP8_SUCCESS;
  return ok && ggfp8_last_error()[0] == 'k';
}

bool quantize() {
  OnesQuantization call(kRows, 1 << 14);
  return call.run() == GGFP8_SUCCESS && call.out_is_right();
}

// An object of a language: what describes it, and how often it was described.
struct Object {
  std::vector<int64_t> shape, strides;
  ggfp8_tensor tensor{};
  std::atomic<int> num_described{0};

  Object(void* data, uint8_t dtype_code, uint8_t bits, std::vector<int64_t> sizes)
      : shape(std::move(sizes)), strides(shape.size(), 1) {
    for (size_t i = shape.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * shape[i];
    tensor.data = data;
    tensor.device_type = GGFP8_DEVICE_CPU;
    tensor.ndim = static_cast<int32_t>(shape.size());
    tensor.dtype_code = dtype_code;
    tensor.dtype_bits = bits;
    tensor.dtype_lanes = 1;
    tensor.shape = shape.data();
    tensor.strides = strides.data();
  }
};

using Tuple = std::array<Object*, 6>;
thread_local bool t_is_attached = true;

const ggfp8_object_reader kReader = {
    .describe = [](void* object, ggfp8_tensor* tensor) -> int {
      ++static_cast<Object*>(object)->num_described;
      *tensor = static_cast<Object*>(object)->tensor;
      return t_is_attached ? 0 : 1;
    },
    .item = [](void* tuple, ptrdiff_t idx) -> void* {
      return (*static_cast<Tuple*>(tuple))[static_cast<size_t>(idx)];
    },
    .current_stream = [](int, int32_t, void**) -> int { return 1; },  // no CUDA here
    .unlock = []() -> void* {
      t_is_attached = false;
      return &t_is_attached;
    },
    .lock = [](void* state) { *static_cast<bool*>(state) = true; },
    .lowest_data = 0,
};

// Inputs that all threads share; row r of out is kK times r.
class SharedObjects {
 public:
  bool multiply() {
    std::vector<float> out(kRows * kN, -1.0f);
    Object result(out.data(), GGFP8_DLPACK_FLOAT, 32, {kRows, kN});
    Tuple tuple = {&a_, &b_, &a_scale_, &b_scale_, &groups_, &result};
    ggfp8_group_gemm_options options = {};
    options.struct_size = sizeof options;
    options.out_dtype = GGFP8_DTYPE_FLOAT32;
    bool ok = ggfp8_group_gemm_nt_groupwise_objects(&kReader, &tuple, &options) == GGFP8_SUCCESS;
    for (size_t i = 0; i < out.size(); ++i) ok = ok && out[i] == float{kK} * float(i / kN);
    return ok && t_is_attached && result.num_described == 1;
  }

  int num_described() const { return a_.num_described; }

 private:
  std::vector<uint8_t> codes_ = std::vector<uint8_t>(3 * kN * kK, 0x38);
  std::vector<float> row_scales_ = [] {
    std::vector<float> scales(kRows * kK / 128);
    for (size_t i = 0; i < scales.size(); ++i) scales[i] = static_cast<float>(i % kRows);
    return scales;
  }();
  std::vector<float> ones_ = std::vector<float>(3 * kN * kK / 128 / 128, 1.0f);
  std::vector<int32_t> bounds_ = {0, 5, 60, kRows};
  Object a_{codes_.data(), GGFP8_DLPACK_FLOAT8_E4M3FN, 8, {kRows, kK}};
  Object b_{codes_.data(), GGFP8_DLPACK_FLOAT8_E4M3FN, 8, {3, kN, kK}};
  Object a_scale_{row_scales_.data(), GGFP8_DLPACK_FLOAT, 32, {kK / 128, kRows}};
  Object b_scale_{ones_.data(), GGFP8_DLPACK_FLOAT, 32, {3, kK / 128, kN / 128}};
  Object groups_{bounds_.data(), GGFP8_DLPACK_INT, 32, {4}};
};

}  // namespace

int main() {
  SharedObjects shared;
  std::atomic<int> num_wrong{0}, num_running{6};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      for (int call = 0; call < kCalls; ++call) {
        if (!(i < 2 ? multiply() : i < 4 ? quantize() : shared.multiply())) ++num_wrong;
      }
      --num_running;
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 1000 && num_running > 0; ++i) {
      if (ggfp8_reload_environment() != GGFP8_SUCCESS) ++num_wrong;
    }
  });
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(num_wrong.load(), 0);
  CHECK_EQ(shared.num_described(), 2 * kCalls);
  return check::report();
}
