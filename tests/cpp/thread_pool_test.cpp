// The pool of threads that help calls: reuse, growth, calls that meet, processors, and
// helpers that come too late.
#include "host/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "check.h"
#include "helper_threads.h"
#include "host/call_threads.h"

namespace {

using ggfp8::run_with_helpers;

using helper_threads::threads_of_call;

void check_reuse() {
  const std::set<pthread_t> few = threads_of_call(2), more = threads_of_call(5);
  CHECK_EQ(few.size(), 2u);
  CHECK_EQ(more.size(), 5u);
  CHECK(std::includes(more.begin(), more.end(), few.begin(), few.end()));
  CHECK(threads_of_call(5) == more);
  CHECK(threads_of_call(2) == few);
  CHECK(few.count(pthread_self()) == 0);
}

// A call that finds the pool taken, by a call around it or beside it, has threads of its own.
void check_calls_that_meet() {
  const std::set<pthread_t> pool = threads_of_call(3);
  const auto check_others = [&] {
    for (const pthread_t thread : threads_of_call(3)) CHECK(pool.count(thread) == 0);
  };
  run_with_helpers(3, [] {}, check_others);
  run_with_helpers(3, [] {}, [&] { std::thread(check_others).join(); });
  CHECK(threads_of_call(3) == pool);
}

void check_calls_of_many_threads() {
  std::atomic<int64_t> num_run{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int call = 0; call < 300; ++call) {
        std::atomic<int> left{20};
        const auto work = [&] {
          while (left.fetch_sub(1) > 0) ++num_run;
        };
        run_with_helpers(3, work, work);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK_EQ(num_run.load(), 4 * 300 * 20);
}

// No helper begins after the call has returned, and no more than asked for.
void check_late_helpers() {
  int num_wrong = 0;
  for (int call = 0; call < 20'000; ++call) {
    std::atomic<bool> is_over{false};
    std::atomic<int> num_helpers{0}, num_late{0};
    const auto help = [&] {
      num_late += is_over;
      ++num_helpers;
    };
    run_with_helpers(1 + call % 4, help, [] {});
    is_over = true;
    num_wrong += num_late != 0 || num_helpers > 1 + call % 4;
  }
  CHECK_EQ(num_wrong, 0);
}

#if defined(__linux__)
cpu_set_t own_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  return set;
}

bool helpers_may_run_on(const cpu_set_t& processors) {
  std::atomic<int> num_come{0}, num_wrong{0};
  const auto help = [&] {
    const cpu_set_t own = own_processors();
    num_wrong += CPU_EQUAL(&own, &processors) == 0;
    ++num_come;
    while (num_come < 3) usleep(20);
  };
  run_with_helpers(3, help, [&] {
    while (num_come < 3) usleep(20);
  });
  return num_wrong == 0;
}

// Helpers run where the caller may, also after the caller has moved.
void check_processors() {
  const cpu_set_t all = own_processors();
  CHECK(helpers_may_run_on(all));
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (!CPU_ISSET(processor, &all)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    sched_setaffinity(0, sizeof one, &one);
    CHECK(helpers_may_run_on(one));
  }
  sched_setaffinity(0, sizeof all, &all);
  CHECK(helpers_may_run_on(all));
}
#else
void check_processors() {}
#endif

}  // namespace

int main() {
  check_reuse();
  check_calls_that_meet();
  check_calls_of_many_threads();
  check_late_helpers();
  check_processors();
  return check::report();
}
