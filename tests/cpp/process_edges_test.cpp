// Every call in a process that is bent in some way: small stacks, a storm of signals, another
// thread's setenv(), stops, little memory, no threads, no files, an end in the middle of calls.
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "check.h"
#include "child_process.h"
#include "every_call.h"

namespace {

using every_call::all_are_right;

void set_limit(int resource, rlim_t limit) {
  const rlimit both = {limit, limit};
  if (setrlimit(static_cast<__rlimit_resource>(resource), &both) != 0) std::abort();
}

// Runs body() on a thread with a stack of so many bytes; returns what it returned.
template <class Body>
bool is_true_on_stack(size_t bytes, Body body) {
  struct Run {
    Body body;
    bool result = false;
  } run{body};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, bytes);
  pthread_t thread;
  const auto start = [](void* data) -> void* {
    static_cast<Run*>(data)->result = static_cast<Run*>(data)->body();
    return nullptr;
  };
  if (pthread_create(&thread, &attributes, start, &run) != 0) return false;
  pthread_join(thread, nullptr);
  return run.result;
}

void check_small_stacks() {
  CHECK(child_process::is_true([] { return is_true_on_stack(64 << 10, all_are_right); }));
  // The limit is also the size of the stacks of helper threads.
  CHECK(child_process::is_true([] {
    set_limit(RLIMIT_STACK, 64 << 10);
    return is_true_on_stack(256 << 10, all_are_right);
  }));
}

void check_signals() {
  CHECK(child_process::is_true([] {
    signal(SIGALRM, [](int) {});
    const itimerval often = {{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &often, nullptr);
    for (int i = 0; i < 20; ++i) {
      if (!all_are_right()) return false;
    }
    return true;
  }));
  CHECK(child_process::is_true([] {
    signal(SIGUSR1, [](int) {});
    std::atomic<bool> goes_on{true}, is_right{true};
    std::thread thread([&] {
      for (int i = 0; i < 20; ++i) is_right = all_are_right() && is_right;
      goes_on = false;
    });
    while (goes_on) {
      pthread_kill(thread.native_handle(), SIGUSR1);
      usleep(20);
    }
    thread.join();
    return is_right.load();
  }));
}

void check_stops() {
  const pid_t child = fork();
  if (child == 0) {
    alarm(child_process::kSeconds);
    for (int i = 0; i < 40; ++i) {
      if (!all_are_right()) _exit(1);
    }
    _exit(0);
  }
  for (int i = 0; i < 30; ++i) {
    kill(child, SIGSTOP);
    usleep(200);
    kill(child, SIGCONT);
    usleep(1000);
  }
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void check_changing_environment() {
  CHECK(child_process::is_true([] {
    std::atomic<bool> goes_on{true};
    std::thread thread([&] {
      for (int i = 0; goes_on; ++i) {
        char name[32];
        std::snprintf(name, sizeof name, "VARIABLE_%d", i % 2000);
        setenv(name, "a value of some length", 1);
        if (i % 5 == 0) unsetenv(name);
      }
    });
    bool is_right = true;
    for (int i = 0; i < 20; ++i) is_right = all_are_right() && is_right;
    goes_on = false;
    thread.join();
    return is_right;
  }));
}

// Returns how much address space the process has taken.
rlim_t address_space_bytes() {
  long pages = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%ld", &pages) != 1) std::abort();
  std::fclose(file);
  return static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE));
}

// With little memory a call succeeds or says that memory is short.
void check_little_memory() {
  for (const rlim_t more : {1, 2, 4, 8, 16, 32, 256}) {  // units of 64 KiB
    CHECK(child_process::is_true([&] {
      std::vector<OnesCall*> calls;
      for (int i = 0; i < 4; ++i) calls.push_back(new OnesCall(64, 256, 512));
      set_limit(RLIMIT_AS, address_space_bytes() + (more << 16));
      for (OnesCall* call : calls) {
        const int32_t status = call->run();
        if (status == GGFP8_SUCCESS ? !call->out_is_right()
                                    : status != GGFP8_ERROR_OUT_OF_HOST_MEMORY) {
          return false;
        }
      }
      return true;
    }));
  }
}

void check_missing_things() {
  CHECK(child_process::is_true([] {  // no further file, and none open
    for (int file = 0; file < 64; ++file) close(file);
    set_limit(RLIMIT_NOFILE, 0);
    return all_are_right();
  }));
  CHECK(child_process::is_true([] {  // no further thread, unless root asks
    set_limit(RLIMIT_NPROC, 0);
    return all_are_right();
  }));
  CHECK(child_process::is_true([] {  // one processor
    cpu_set_t one;
    if (sched_getaffinity(0, sizeof one, &one) != 0) return true;
    for (int i = 0, found = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &one) && ++found > 1) CPU_CLR(i, &one);
    }
    sched_setaffinity(0, sizeof one, &one);
    return all_are_right();
  }));
}

// Calls of other threads go on while handlers of exit() run, which make calls as well.
void check_end_in_the_middle_of_calls() {
  constexpr int kRight = 21;
  for (int i = 0; i < 5; ++i) {
    CHECK_EQ(child_process::run([] {
               for (int thread = 0; thread < 4; ++thread) {
                 std::thread([] {
                   for (;;) {
                     if (!all_are_right()) std::abort();
                   }
                 }).detach();
               }
               std::atexit([] {
                 if (!all_are_right()) std::abort();
               });
               usleep(20'000);
               std::exit(kRight);
               return 0;
             }),
             kRight);
  }
}

void call_and_fail(void*) {
  OnesCall call(64, 256, 512);
  call.args.k = 8;
  if (!all_are_right() || call.run() == GGFP8_SUCCESS || ggfp8_last_error()[0] != 'k') {
    std::abort();
  }
}

// The last thing that a thread does: by then its own C++ objects are destroyed.
void check_call_at_the_end_of_a_thread() {
  CHECK(child_process::is_true([] {
    static pthread_key_t key;
    if (pthread_key_create(&key, call_and_fail) != 0) return false;
    std::thread([] { pthread_setspecific(key, &key); }).join();
    return true;
  }));
}

}  // namespace

int main() {
  CHECK(all_are_right());
  check_small_stacks();
  check_signals();
  check_stops();
  check_changing_environment();
  check_little_memory();
  check_missing_things();
  check_end_in_the_middle_of_calls();
  check_call_at_the_end_of_a_thread();
  return check::report();
}
