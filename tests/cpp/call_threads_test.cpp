// The threads of a call: signals, faults, how many there are, that they compute, and that a call
// goes on without those that cannot be started. This program has a pthread_create() of its own.
#include "host/call_threads.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_gemm_reference.h"
#include "backends/cpu/cpu_isa.h"
#include "check.h"
#include "child_process.h"
#include "cpu_problem.h"
#include "host/tile_queue.h"
#include "host/work_counter.h"
#include "select/backend.h"

namespace ggfp8 {
extern const Backend kCpuBackend;
}

namespace {

using Start = void* (*)(void*);

sigset_t mask_at_creation;
int num_created = 0;
int most_threads = INT32_MAX;   // further creations fail
bool finishes_at_once = false;  // a new thread ends before its creation returns
std::function<void()> after_creation = [] {};
bool helpers_have_memory = true;
const pthread_t main_thread = pthread_self();

}  // namespace

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, Start start,
                              void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, Start, void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  struct Run {
    Start start;
    void* argument;
    std::atomic<bool> finished{false};
  };
  pthread_sigmask(SIG_SETMASK, nullptr, &mask_at_creation);
  if (num_created >= most_threads) return EAGAIN;
  ++num_created;
  if (!finishes_at_once) return create(thread, attributes, start, argument);
  Run run{start, argument};
  const auto wrapper = [](void* data) -> void* {
    Run& own = *static_cast<Run*>(data);
    own.start(own.argument);
    own.finished = true;
    return nullptr;
  };
  const int error = create(thread, attributes, wrapper, &run);
  while (error == 0 && !run.finished) usleep(100);
  after_creation();
  return error;
}

// Scratch memory of the cpu backend, and nothing else here.
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  if (!helpers_have_memory && pthread_equal(pthread_self(), main_thread) == 0) return nullptr;
  const auto unit = static_cast<std::size_t>(alignment);
  return std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}

namespace {

constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

sigset_t current_mask() {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return mask;
}

bool is_fault(int signal) {
  return std::find(std::begin(kFaults), std::end(kFaults), signal) != std::end(kFaults);
}

// Returns the signals that a mask can block: not SIGKILL, SIGSTOP and those of the C library, and
// an emulator keeps some of its own.
sigset_t find_blockable() {
  const sigset_t before = current_mask();
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  const sigset_t blocked = current_mask();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return blocked;
}

void check_blocks_all_but_faults(const sigset_t& mask) {
  const sigset_t blockable = find_blockable();
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGUSR1, SIGPROF}) {
    CHECK_EQ(sigismember(&blockable, signal), 1);
  }
  for (int signal = 1; signal < SIGRTMAX; ++signal) {
    if (sigismember(&blockable, signal) == 0) continue;
    CHECK_EQ(sigismember(&mask, signal), is_fault(signal) ? 0 : 1);
  }
}

void check_equal(const sigset_t& x, const sigset_t& y) {
  for (int signal = 1; signal < SIGRTMAX; ++signal) {
    CHECK_EQ(sigismember(&x, signal), sigismember(&y, signal));
  }
}

void check_signals() {
  const sigset_t before = current_mask();
  sigset_t own, helper;
  std::atomic<bool> has_helped{false};
  const auto help = [&] {
    helper = current_mask();
    has_helped = true;
  };
  ggfp8::run_with_helpers(1, help, [&] {
    own = current_mask();
    while (!has_helped) usleep(100);
  });
  check_equal(before, own);
  check_equal(before, current_mask());
  check_blocks_all_but_faults(helper);
  // A thread begins with the mask of its creator: there is no time in which it takes signals.
  check_blocks_all_but_faults(mask_at_creation);
}

constexpr int kHandled = 42;

// Runs body() while another call has the pool, so that a call in body() has threads of its own.
void with_pool_taken(const std::function<void()>& body) {
  ggfp8::run_with_helpers(1, [] {}, body);
}

// Runs in a child process: a helper reads memory that is not there.
[[noreturn]] void fault_in_helper(bool pool_is_taken) {
  struct sigaction action = {};
  action.sa_handler = [](int) { _exit(kHandled); };
  for (int signal : kFaults) sigaction(signal, &action, nullptr);
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* page = mmap(nullptr, page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const auto read_page = [&] { (void)*static_cast<volatile char*>(page); };
  const auto help = [&] { ggfp8::run_with_helpers(1, read_page, [] { sleep(30); }); };
  if (pool_is_taken) {
    with_pool_taken(help);
  } else {
    help();
  }
  _exit(0);
}

void check_fault_reaches_its_handler(bool pool_is_taken) {
  const pid_t child = fork();
  if (child == 0) fault_in_helper(pool_is_taken);
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), kHandled);
}

using Bytes = std::vector<uint8_t>;

// Enough work for five threads.
cpu_problem::Case large_case() {
  for (uint32_t seed = 0;; ++seed) {
    cpu_problem::Case found(seed, 400, 512, 512);
    const ggfp8::Problem& p = found.problem();
    if (p.n * p.k * ggfp8::summarize_work(p).num_rows >= 20'000'000) return found;
  }
}

Bytes product(const cpu_problem::Case& test_case, int32_t num_processors, Bytes* first = nullptr) {
  Bytes out;
  const ggfp8::Problem problem = test_case.with_output(&out);
  if (first != nullptr) after_creation = [&] { *first = out; };
  ggfp8::DeviceInfo device;
  std::snprintf(device.name, sizeof device.name, "%s", ggfp8::available_isas().front()->name);
  device.num_processors = num_processors;
  const ggfp8::Plan plan = ggfp8::kCpuBackend.plan(problem, device);
  CHECK_EQ(ggfp8::kCpuBackend.launch(problem, device, plan, {}), ggfp8::kSuccess);
  after_creation = [] {};
  return out;
}

void check_number_of_threads(const cpu_problem::Case& test_case, const Bytes& expected) {
  for (int num_processors : {1, 2, 3, 5}) {
    num_created = 0;
    CHECK(product(test_case, num_processors) == expected);
    CHECK_EQ(num_created, num_processors - 1);
  }
}

void check_threads_that_do_not_start(const cpu_problem::Case& test_case, const Bytes& expected) {
  for (most_threads = 0; most_threads < 4; ++most_threads) {
    num_created = 0;
    CHECK(product(test_case, 5) == expected);
    CHECK_EQ(num_created, most_threads);
  }
  most_threads = INT32_MAX;
}

// Helpers do all the work if they end before the caller begins.
void check_helpers_compute(const cpu_problem::Case& test_case, const Bytes& expected) {
  finishes_at_once = true;
  Bytes of_helper;
  CHECK(product(test_case, 2, &of_helper) == expected);
  CHECK(of_helper == expected);
  std::vector<pthread_t> worker(1 << 10);
  ggfp8::for_each_in_parallel(1 << 10, 1 << 14, 2,
                              [&](int64_t i) { worker[static_cast<size_t>(i)] = pthread_self(); });
  for (const pthread_t thread : worker) CHECK(pthread_equal(thread, pthread_self()) == 0);
  finishes_at_once = false;
}

// A helper that comes before the caller leaves the work to it.
void check_helpers_without_memory(const cpu_problem::Case& test_case, const Bytes& expected) {
  finishes_at_once = true;
  helpers_have_memory = false;
  Bytes of_helper;
  CHECK(product(test_case, 2, &of_helper) == expected);
  CHECK(of_helper != expected);
  finishes_at_once = false;
  helpers_have_memory = true;
}

// The pool starts threads when a call needs more than there are, and keeps them.
void check_threads_of_pool(const cpu_problem::Case& test_case, const Bytes& expected) {
  CHECK(child_process::is_true([&] {
    num_created = 0;
    bool is_right = true;
    for (const auto& [num_processors, num_threads] :
         {std::pair{1, 0}, {2, 1}, {3, 2}, {5, 4}, {2, 4}, {5, 4}}) {
      is_right = is_right && product(test_case, num_processors) == expected;
      is_right = is_right && num_created == num_threads;
    }
    return is_right;
  }));
}

void check_threads_of_pool_that_do_not_start(const cpu_problem::Case& test_case,
                                             const Bytes& expected) {
  CHECK(child_process::is_true([&] {
    bool is_right = true;
    num_created = 0;
    for (most_threads = 0; most_threads < 4; ++most_threads) {
      is_right = is_right && product(test_case, 5) == expected && num_created == most_threads;
    }
    return is_right;
  }));
}

}  // namespace

// ThreadSanitizer takes no fork beside threads, so the children come before the pool's threads.
int main() {
  check_fault_reaches_its_handler(false);
  check_fault_reaches_its_handler(true);
  const cpu_problem::Case test_case = large_case();
  Bytes expected;
  ggfp8::compute_reference(test_case.with_output(&expected));
  check_threads_of_pool(test_case, expected);
  check_threads_of_pool_that_do_not_start(test_case, expected);
  check_signals();
  with_pool_taken([&] {
    check_signals();
    check_number_of_threads(test_case, expected);
    check_threads_that_do_not_start(test_case, expected);
    check_helpers_compute(test_case, expected);
    check_helpers_without_memory(test_case, expected);
  });
  return check::report();
}
