// Threads of one call: started when the call justifies them, joined before it returns.
#pragma once

#include <cfenv>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace ggfp8 {

// Blocks all signals on the calling thread: they belong to the program's own threads.
void block_signals() noexcept;

// Runs own() here and helper() on up to num_helpers other threads; returns when all have finished.
// If a thread cannot be started the others go on without it, so the callables must share out
// their work by themselves. They must not throw.
template <class Helper, class Own>
void run_with_helpers(int32_t num_helpers, const Helper& helper, const Own& own) noexcept {
  std::vector<std::thread> threads;
  try {
    for (int32_t i = 0; i < num_helpers; ++i) {
      threads.emplace_back([&helper] {
        block_signals();
        helper();
      });
    }
  } catch (const std::exception&) {
    // Out of threads or memory: those that started are enough.
  }
  own();
  for (std::thread& thread : threads) thread.join();
}

// The default floating-point environment (round to nearest, no flush to zero, no traps) for a
// scope; the former one, status flags included, comes back at its end.
class DefaultFloatScope {
 public:
  DefaultFloatScope() noexcept;
  ~DefaultFloatScope();
  DefaultFloatScope(const DefaultFloatScope&) = delete;
  DefaultFloatScope& operator=(const DefaultFloatScope&) = delete;

 private:
  std::fenv_t saved_;
};

}  // namespace ggfp8
