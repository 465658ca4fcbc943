// Threads that help the calls of a process, one call at a time: started when a call first needs
// them, asleep between calls, never ended.
//
//   idle -> posted     by the caller, which has written the job before
//   posted -> running  by the thread; running -> idle when its part of the job is done
//   posted -> idle     by the caller at the end of the call, where the thread came too late
//
// A forked child has none of the threads, and starts its own at its first call.
#pragma once

#include <cstdint>

namespace ggfp8 {

// The work of a thread in a call: run(data), which must not throw.
struct PoolJob {
  void (*run)(const void*) = nullptr;
  const void* data = nullptr;
};

// Has up to num_helpers threads run the job, on the processors that the calling thread may use.
// Returns false where another call has the threads. After true, end_pool_job() must follow on the
// same thread. Fewer threads help where no more can be started.
bool begin_pool_job(int32_t num_helpers, const PoolJob& job) noexcept;

// Takes the job back from threads that have not begun, and waits for the others.
void end_pool_job() noexcept;

}  // namespace ggfp8
