// Calls from several threads at once, each with threads of its own, while another thread has the
// environment read again: results are right. ThreadSanitizer watches this test.
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
