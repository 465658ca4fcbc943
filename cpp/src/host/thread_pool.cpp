#include "host/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <thread>

#include "core/process_lock.h"
#include "host/call_threads.h"

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace ggfp8 {
namespace {

constexpr int32_t kMaxThreads = 512;
constexpr int32_t kNumWoken = 3;  // threads that a thread wakes: all are awake after few steps

enum State : uint32_t { kIdle, kPosted, kRunning };

// A thread and what it shares with the caller.
struct alignas(64) PoolThread {
  std::atomic<uint32_t> state{kIdle};
  std::thread::native_handle_type handle{};
};

// The processors that a thread may use.
#if defined(__linux__)
class Processors {
 public:
  void read() noexcept { known_ = sched_getaffinity(0, sizeof set_, &set_) == 0; }
  bool differ_from(const Processors& x) const noexcept {
    return known_ && x.known_ && CPU_EQUAL(&set_, &x.set_) == 0;
  }
  void give_to(std::thread::native_handle_type thread) const noexcept {
    (void)pthread_setaffinity_np(thread, sizeof set_, &set_);
  }

 private:
  bool known_ = false;
  cpu_set_t set_{};
};
#else
class Processors {
 public:
  void read() noexcept {}
  bool differ_from(const Processors&) const noexcept { return false; }
  void give_to(std::thread::native_handle_type) const noexcept {}
};
#endif

// Everything but `taken` is read and written by the call that has taken the threads; the threads
// read what was written before they were posted.
struct Pool {
  ProcessLock taken;
  int64_t process = 0;  // that has started the threads
  int32_t num_threads = 0;
  int32_t num_posted = 0;
  PoolJob job;
  Processors processors;
  PoolThread threads[kMaxThreads];
};

constinit Pool pool;

// Wakes threads first * kNumWoken and up, as many as one thread wakes.
void wake_from(int32_t first) noexcept {
  const int32_t begin = first * kNumWoken;
  const int32_t end = std::min(begin + kNumWoken, pool.num_posted);
  for (int32_t i = begin; i < end; ++i) pool.threads[i].state.notify_one();
}

void work(int32_t index) noexcept {
  std::atomic<uint32_t>& state = pool.threads[index].state;
  for (;;) {
    state.wait(kIdle, std::memory_order_relaxed);
    uint32_t expected = kPosted;
    if (!state.compare_exchange_strong(expected, kRunning, std::memory_order_acquire)) continue;
    wake_from(index + 1);
    pool.job.run(pool.job.data);
    state.store(kIdle, std::memory_order_release);
    state.notify_one();  // the caller may wait for the end
  }
}

// Starts threads up to a number of them, with signals blocked for life.
void start_threads(int32_t num_threads) noexcept {
  try {
    const SignalScope signal_scope;
    for (; pool.num_threads < num_threads; ++pool.num_threads) {
      PoolThread& next = pool.threads[pool.num_threads];
      next.state.store(kIdle, std::memory_order_relaxed);
      std::thread thread(work, pool.num_threads);
      next.handle = thread.native_handle();
      thread.detach();
    }
  } catch (const std::exception&) {
    // Out of threads or memory: those that started are enough.
  }
}

// Lets the threads run where the calling thread may.
void follow_caller() noexcept {
  Processors own;
  own.read();
  if (own.differ_from(pool.processors)) {
    for (int32_t i = 0; i < pool.num_threads; ++i) own.give_to(pool.threads[i].handle);
  }
  pool.processors = own;
}

}  // namespace

bool begin_pool_job(int32_t num_helpers, const PoolJob& job) noexcept {
  if (!pool.taken.try_lock()) return false;
  if (pool.process != own_process()) {
    pool.process = own_process();
    pool.num_threads = 0;  // a child has none of its parent's
  }
  follow_caller();
  start_threads(std::min(num_helpers, kMaxThreads));
  pool.job = job;
  pool.num_posted = std::min(num_helpers, pool.num_threads);
  for (int32_t i = 0; i < pool.num_posted; ++i) {
    pool.threads[i].state.store(kPosted, std::memory_order_release);
  }
  wake_from(0);
  return true;
}

void end_pool_job() noexcept {
  for (int32_t i = 0; i < pool.num_posted; ++i) {
    std::atomic<uint32_t>& state = pool.threads[i].state;
    uint32_t expected = kPosted;
    if (state.compare_exchange_strong(expected, kIdle, std::memory_order_relaxed)) continue;
    while (state.load(std::memory_order_acquire) == kRunning) {
      state.wait(kRunning, std::memory_order_relaxed);
    }
  }
  pool.taken.unlock();
}

}  // namespace ggfp8
