// A lock that a forked child does not inherit from a thread that it lacks.
//
// fork() copies the memory of a process and one of its threads. A std::mutex that another thread
// holds at that time stays locked in the child for ever. This lock knows the process of its holder:
// in the child nobody holds it.
#pragma once

#include <atomic>
#include <cstdint>

namespace ggfp8 {

// A number of this process that is not 0.
int64_t own_process() noexcept;

// For short work that happens once or seldom: a thread that waits sleeps for a while and looks
// again. What the lock protects must be such that a child may begin the work anew.
class ProcessLock {
 public:
  void lock() noexcept;
  bool try_lock() noexcept;  // does not wait
  void unlock() noexcept { holder_.store(0, std::memory_order_release); }

 private:
  std::atomic<int64_t> holder_{0};  // the holder's process; 0: nobody
};

}  // namespace ggfp8
