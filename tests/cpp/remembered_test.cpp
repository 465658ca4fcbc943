// Facts that are read once: a success is kept, a failure is not, and threads agree.
#include "core/remembered.h"

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "check.h"

namespace {

constexpr ggfp8::Status kFailure = 7;

// A source that fails some times before it answers.
struct Source {
  int num_failures = 0;
  int num_reads = 0;

  ggfp8::Status operator()(int64_t* value) {
    ++num_reads;
    *value = -1;  // an answer that was begun
    if (num_reads <= num_failures) return kFailure;
    *value = 40 + num_reads;
    return ggfp8::kSuccess;
  }
};

void check_success_is_kept() {
  ggfp8::Remembered<int64_t> remembered;
  Source source;
  const auto read = [&](int64_t* value) { return source(value); };
  for (int i = 0; i < 3; ++i) {
    int64_t value = 0;
    CHECK_EQ(remembered.get(read, &value), ggfp8::kSuccess);
    CHECK_EQ(value, 41);
  }
  CHECK_EQ(source.num_reads, 1);
}

void check_failure_is_forgotten() {
  ggfp8::Remembered<int64_t> remembered;
  Source source{.num_failures = 2};
  const auto read = [&](int64_t* value) { return source(value); };
  int64_t value = 5;
  CHECK_EQ(remembered.get(read, &value), kFailure);
  CHECK_EQ(remembered.get(read, &value), kFailure);
  CHECK_EQ(value, 5);  // untouched by a failure
  CHECK_EQ(remembered.get(read, &value), ggfp8::kSuccess);
  CHECK_EQ(value, 43);
  CHECK_EQ(remembered.get(read, &value), ggfp8::kSuccess);
  CHECK_EQ(source.num_reads, 3);
}

void check_threads() {
  ggfp8::Remembered<int64_t> remembered;
  Source source{.num_failures = 3};
  // All threads are there before the first has read.
  const auto read_slowly = [&](int64_t* value) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return source(value);
  };
  std::vector<int64_t> values(8);
  std::vector<std::thread> threads;
  for (int64_t& value : values) {
    threads.emplace_back([&] {
      while (remembered.get(read_slowly, &value) != 0) {
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int64_t value : values) CHECK_EQ(value, 44);
  CHECK_EQ(source.num_reads, 4);
}

}  // namespace

int main() {
  check_success_is_kept();
  check_failure_is_forgotten();
  check_threads();
  return check::report();
}
