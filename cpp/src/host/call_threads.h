// Threads that help a call: none of them works for the call after it has returned.
#pragma once

#if defined(__unix__) || defined(__APPLE__)
#include <signal.h>
#endif

#include <cfenv>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include "host/thread_pool.h"

namespace ggfp8 {

// Blocks signals on the calling thread for a scope; threads that start in it have them blocked for
// life. Signals that are sent to the process belong to the program's own threads. A fault of a
// thread itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS) must reach its handler: blocked,
// it would end the process.
class SignalScope {
 public:
  SignalScope() noexcept;
  ~SignalScope();
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

 private:
#if defined(__unix__) || defined(__APPLE__)
  sigset_t saved_;
#endif
};

// Runs own() here and helper() on up to num_helpers other threads; returns when all that have begun
// have finished. The threads are those of host/thread_pool, or, where another call has these,
// threads of this call. If a thread cannot be started, or comes too late, the others go on without
// it, so the callables must share out their work by themselves. They must not throw.
template <class Helper, class Own>
void run_with_helpers(int32_t num_helpers, const Helper& helper, const Own& own) noexcept {
  if (num_helpers <= 0) return own();
  const auto run_helper = [](const void* data) { (*static_cast<const Helper*>(data))(); };
  if (begin_pool_job(num_helpers, {run_helper, &helper})) {
    own();
    end_pool_job();
    return;
  }
  std::vector<std::thread> threads;
  try {
    const SignalScope signal_scope;
    for (int32_t i = 0; i < num_helpers; ++i) threads.emplace_back([&helper] { helper(); });
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
