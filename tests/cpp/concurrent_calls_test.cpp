// Calls from several threads at once, each with threads of its own, while another thread has the
// environment read again: results are right. ThreadSanitizer watches this test.
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "groupgemm_fp8/moe.h"

namespace {

constexpr int64_t kRows = 64, kN = 256, kK = 512;  // worth two threads
constexpr int kCalls = 4;

// Row r of out is kK times the scale of the row.
bool multiply() {
  const std::vector<uint8_t> a(kRows * kK, 0x38), b(3 * kN * kK, 0x38);
  std::vector<float> a_scale(kRows * kK / 128), b_scale(3 * kN * kK / 128, 1.0f);
  for (size_t i = 0; i < a_scale.size(); ++i) a_scale[i] = static_cast<float>(i % kRows);
  const std::vector<int32_t> m_indptr = {0, 5, 60, kRows};
  std::vector<float> out(kRows * kN, -1.0f);
  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  args.a = a.data();
  args.b = b.data();
  args.a_scale = a_scale.data();
  args.b_scale = b_scale.data();
  args.m_indptr = m_indptr.data();
  args.out = out.data();
  args.cum_m = kRows;
  args.n = kN;
  args.k = kK;
  args.batch_size = 3;
  args.out_dtype = GGFP8_DTYPE_FLOAT32;
  args.device_type = GGFP8_DEVICE_CPU;
  bool ok = ggfp8_group_gemm_nt_groupwise(&args, nullptr, 0, nullptr) == GGFP8_SUCCESS;
  for (size_t i = 0; i < out.size(); ++i) ok = ok && out[i] == float{kK} * float(i / kN);
  args.k = 8;  // and each thread has its own sentence
  ok = ok && ggfp8_group_gemm_nt_groupwise(&args, nullptr, 0, nullptr) != GGFP8_SUCCESS;
  return ok && ggfp8_last_error()[0] == 'k';
}

bool quantize() {
  constexpr int64_t kColumns = 1 << 14;
  const std::vector<float> x(kRows * kColumns, 1.0f);
  std::vector<uint8_t> out(kRows * kColumns);
  std::vector<float> scale(kRows * kColumns / 128);
  ggfp8_quantize_groupwise_args args = GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT;
  args.x = x.data();
  args.out = out.data();
  args.scale = scale.data();
  args.rows = kRows;
  args.k = kColumns;
  args.x_dtype = GGFP8_DTYPE_FLOAT32;
  args.device_type = GGFP8_DEVICE_CPU;
  bool ok = ggfp8_quantize_groupwise(&args, nullptr) == GGFP8_SUCCESS;
  for (uint8_t code : out) ok = ok && code == 0x7E;
  return ok;
}

}  // namespace

int main() {
  std::atomic<int> num_wrong{0}, num_running{4};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int call = 0; call < kCalls; ++call) {
        if (!(i < 2 ? multiply() : quantize())) ++num_wrong;
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
  return check::report();
}
