// The threads that help a call, for tests that ask who they are.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <set>

#include "host/call_threads.h"

namespace helper_threads {

// Runs a job that every one of num_helpers threads takes part in, and returns the threads.
inline std::set<pthread_t> threads_of_call(int num_helpers) {
  std::mutex mutex;
  std::set<pthread_t> threads;
  std::atomic<int> num_come{0};
  const auto help = [&] {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      threads.insert(pthread_self());
    }
    ++num_come;
    while (num_come < num_helpers) usleep(20);
  };
  ggfp8::run_with_helpers(num_helpers, help, [&] {
    while (num_come < num_helpers) usleep(20);
  });
  return threads;
}

}  // namespace helper_threads
