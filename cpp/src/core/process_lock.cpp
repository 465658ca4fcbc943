#include "core/process_lock.h"

#include <cerrno>
#include <chrono>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace ggfp8 {
int64_t own_process() noexcept {
#if defined(__unix__) || defined(__APPLE__)
  return getpid();
#else
  return 1;
#endif
}

bool ProcessLock::try_lock() noexcept {
  const int64_t own = own_process();
  int64_t holder = holder_.load(std::memory_order_relaxed);
  return holder != own && holder_.compare_exchange_strong(holder, own, std::memory_order_acquire);
}

void ProcessLock::lock() noexcept {
  const int64_t own = own_process();
  const int saved_errno = errno;  // sleeping may set it
  for (;;) {
    int64_t holder = holder_.load(std::memory_order_relaxed);
    if (holder != own && holder_.compare_exchange_weak(holder, own, std::memory_order_acquire)) {
      break;
    }
    if (holder == own) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  errno = saved_errno;
}

}  // namespace ggfp8
