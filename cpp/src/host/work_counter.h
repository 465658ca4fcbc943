// Shares out the numbers from 0 to an end among the threads of one call, some at a time.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/math.h"
#include "host/call_threads.h"

namespace ggfp8 {

class WorkCounter {
 public:
  WorkCounter(int64_t end, int64_t step) noexcept : end_(end), step_(max_of<int64_t>(step, 1)) {}

  // Sets [*first, *last) to the next numbers, or returns false when there are none left.
  bool next(int64_t* first, int64_t* last) noexcept {
    *first = next_.fetch_add(step_, std::memory_order_relaxed);
    if (*first >= end_) return false;
    *last = min_of(*first + step_, end_);
    return true;
  }

 private:
  const int64_t end_;
  const int64_t step_;
  std::atomic<int64_t> next_{0};
};

// Calls work(i) for every i in [0, count), on as many threads as the bytes are worth, each with the
// default floating-point environment. work must not throw.
template <class Work>
void for_each_in_parallel(int64_t count, int64_t bytes_each, int32_t num_processors,
                          const Work& work) noexcept {
  constexpr int64_t kBytesPerWorker = 1 << 20;  // 0.1 ms: several times a thread's start
  constexpr int64_t kBytesPerStep = 1 << 16;
  const int64_t each = max_of<int64_t>(bytes_each, 1);
  const int64_t steps = max_of<int64_t>(kBytesPerStep / each, 1);
  const int64_t worthwhile = count / max_of<int64_t>(kBytesPerWorker / each, 1);
  const int64_t num_workers = clamp_to<int64_t>(worthwhile, 1, max_of(num_processors, 1));
  WorkCounter counter(count, steps);
  const auto run = [&]() noexcept {
    const DefaultFloatScope float_scope;
    for (int64_t first, last; counter.next(&first, &last);) {
      for (int64_t i = first; i < last; ++i) work(i);
    }
  };
  run_with_helpers(static_cast<int32_t>(num_workers) - 1, run, run);
}

}  // namespace ggfp8
