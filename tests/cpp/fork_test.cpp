// A process that forks while other threads are in calls, or read what is read once: the child makes
// the same calls, and waits for nobody. This program has a getenv() of its own, which can stop.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "check.h"
#include "child_process.h"
#include "core/environment.h"
#include "core/process_lock.h"
#include "core/remembered.h"
#include "every_call.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "helper_threads.h"
#include "host/call_threads.h"

extern "C" char** environ;

namespace {

std::atomic<bool> stops{false}, has_stopped{false};

// Stops the thread where a test asks for it, until the test lets it go on.
void stop_here() {
  if (!stops) return;
  has_stopped = true;
  while (stops) std::this_thread::yield();
}

}  // namespace

extern "C" char* getenv(const char* name) noexcept {
  stop_here();
  const size_t length = std::strlen(name);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') {
      return *entry + length + 1;
    }
  }
  return nullptr;
}

namespace {

// Forks while another thread has stopped in first_call().
template <class FirstCall, class Body>
void check_fork_during(const FirstCall& first_call, const Body& body) {
  stops = true, has_stopped = false;
  std::thread thread(first_call);
  while (!has_stopped) std::this_thread::yield();
  CHECK(child_process::is_true([&] {
    stops = false;
    return body();
  }));
  stops = false;
  thread.join();
}

void check_first_reading_of_the_environment() {
  check_fork_during([] { ggfp8::environment(); }, every_call::all_are_right);
  check_fork_during(
      [] { CHECK_EQ(ggfp8_reload_environment(), GGFP8_SUCCESS); },
      [] { return ggfp8_reload_environment() == GGFP8_SUCCESS && every_call::all_are_right(); });
}

void check_first_reading_of_a_fact() {
  ggfp8::Remembered<int> remembered;
  const auto read = [](int* value) {
    stop_here();
    *value = 5;
    return ggfp8::kSuccess;
  };
  int value = 0;
  const auto get = [&] { return remembered.get(read, &value) == ggfp8::kSuccess && value == 5; };
  check_fork_during(get, get);
  CHECK(get());
}

bool has_helpers() {
  using helper_threads::threads_of_call;
  return threads_of_call(3).size() == 3 && threads_of_call(4).size() == 4;
}

// A child has helpers of its own: forked between calls, by a child, and beside a call.
void check_helpers_of_a_child() {
  CHECK(has_helpers());
  CHECK(child_process::is_true(has_helpers));
  CHECK(
      child_process::is_true([] { return has_helpers() && child_process::is_true(has_helpers); }));
  check_fork_during(
      [] {
        const auto stop = [] { stop_here(); };
        ggfp8::run_with_helpers(4, stop, stop);
      },
      has_helpers);
  CHECK(has_helpers());
}

// In one process the lock is one that a single thread has at a time.
void check_lock() {
  ggfp8::ProcessLock lock;
  int num_turns = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 2000; ++turn) {
        lock.lock();
        ++num_turns;
        lock.unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(num_turns, 4 * 2000);
}

// A thread that waits keeps its errno, also where signals interrupt its sleep.
void check_errno() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  ggfp8::ProcessLock lock;
  lock.lock();
  std::atomic<bool> is_waiting{false};
  std::thread thread([&] {
    errno = 77;
    is_waiting = true;
    lock.lock();
    CHECK_EQ(errno, 77);
  });
  while (!is_waiting) std::this_thread::yield();
  for (int i = 0; i < 200; ++i) {
    pthread_kill(thread.native_handle(), SIGUSR1);
    usleep(50);
  }
  lock.unlock();
  thread.join();
}

void check_forks_between_calls() {
  std::atomic<bool> goes_on{true}, is_right{true};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (goes_on) is_right = every_call::all_are_right() && is_right;
    });
  }
  for (int i = 0; i < 20; ++i) {
    if (!CHECK(child_process::is_true(every_call::all_are_right))) break;
  }
  goes_on = false;
  for (std::thread& thread : threads) thread.join();
  CHECK(is_right);
}

}  // namespace

int main() {
  check_first_reading_of_the_environment();
  check_first_reading_of_a_fact();
  check_lock();
  check_errno();
  check_forks_between_calls();
  check_helpers_of_a_child();
  return check::report();
}
