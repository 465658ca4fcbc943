#include "core/environment.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>

#include "core/process_lock.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {
namespace {

// Snapshots stay alive, since a call on another thread may be reading the latest but one.
struct Snapshot {
  Environment values;
  const Snapshot* previous = nullptr;
};

ProcessLock reading;
std::atomic<const Snapshot*> latest{nullptr};
Snapshot first;

void read_variable(const char* name, char* value) noexcept {
  const char* text = std::getenv(name);
  std::snprintf(value, Environment::kValueBytes, "%s", text == nullptr ? "" : text);
}

void read_variables(Environment* values) noexcept {
  read_variable("GGFP8_BACKEND", values->backend);
  read_variable("GGFP8_NUM_THREADS", values->num_threads);
  read_variable("GGFP8_CPU_ISA", values->cpu_isa);
}

const Snapshot& read_first() noexcept {
  const std::lock_guard<ProcessLock> lock(reading);
  const Snapshot* known = latest.load(std::memory_order_relaxed);
  if (known != nullptr) return *known;
  read_variables(&first.values);
  latest.store(&first, std::memory_order_release);
  return first;
}

}  // namespace

const Environment& environment() noexcept {
  const Snapshot* known = latest.load(std::memory_order_acquire);
  return known != nullptr ? known->values : read_first().values;
}

Status reload_environment() noexcept {
  Snapshot* snapshot = new (std::nothrow) Snapshot;
  if (snapshot == nullptr) {
    return fail(GGFP8_ERROR_OUT_OF_HOST_MEMORY, "host memory: an allocation failed");
  }
  const std::lock_guard<ProcessLock> lock(reading);
  read_variables(&snapshot->values);
  snapshot->previous = latest.load(std::memory_order_relaxed);
  latest.store(snapshot, std::memory_order_release);
  return kSuccess;
}

}  // namespace ggfp8
