// A fact that is read once, kept for the life of the process, and asked for anew after a failure.
#pragma once

#include <atomic>
#include <mutex>

#include "core/process_lock.h"
#include "core/status.h"

namespace ggfp8 {

template <class Fact>
class Remembered {
 public:
  // Copies the fact to *fact. The first call that succeeds has read it: read(&value) returns a
  // Status. A failure is returned and forgotten, since its reason may pass: a driver that is being
  // started, a device that is busy. One thread reads at a time; a child that is forked meanwhile
  // reads by itself.
  template <class Read>
  Status get(const Read& read, Fact* fact) noexcept {
    if (!known_.load(std::memory_order_acquire)) {
      if (Status s = read_once(read)) return s;
    }
    *fact = value_;
    return kSuccess;
  }

 private:
  template <class Read>
  Status read_once(const Read& read) noexcept {
    const std::lock_guard<ProcessLock> lock(reading_);
    if (known_.load(std::memory_order_relaxed)) return kSuccess;
    if (Status s = read(&value_)) return s;
    known_.store(true, std::memory_order_release);
    return kSuccess;
  }

  std::atomic<bool> known_{false};
  ProcessLock reading_;
  Fact value_{};
};

}  // namespace ggfp8
