#include "host/kept_memory.h"

#include <atomic>
#include <cstdint>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ggfp8 {
namespace {

constexpr uint32_t kNumSlots = 256;
constexpr std::align_val_t kAlignment{kKeptBytes};

// Each holds a block that nobody uses, or null. A block that another thread uses at the time of a
// fork is lost to the child; no lock can be.
constinit std::atomic<void*> slots[kNumSlots]{};

thread_local uint32_t last_slot = 0;  // of the thread, where it is likely to find its block

// Calls try_slot() with the slots in turn, beginning with the thread's last one, until it returns
// true. Returns whether it did.
template <class TrySlot>
bool find_slot(const TrySlot& try_slot) noexcept {
  for (uint32_t i = 0; i < kNumSlots; ++i) {
    const uint32_t slot = (last_slot + i) % kNumSlots;
    if (!try_slot(slots[slot])) continue;
    last_slot = slot;
    return true;
  }
  return false;
}

void* new_block() noexcept {
  void* block = ::operator new(kKeptBytes, kAlignment, std::nothrow);
#if defined(__linux__)
  if (block != nullptr) (void)madvise(block, kKeptBytes, MADV_HUGEPAGE);
#endif
  return block;
}

}  // namespace

void* take_kept_memory() noexcept {
  void* block = nullptr;
  const auto take = [&](std::atomic<void*>& slot) noexcept {
    if (slot.load(std::memory_order_relaxed) == nullptr) return false;
    block = slot.exchange(nullptr, std::memory_order_acquire);
    return block != nullptr;
  };
  return find_slot(take) ? block : new_block();
}

void give_back_kept_memory(void* block) noexcept {
  const auto give = [&](std::atomic<void*>& slot) noexcept {
    void* expected = nullptr;
    return slot.compare_exchange_strong(expected, block, std::memory_order_release);
  };
  if (!find_slot(give)) ::operator delete(block, kAlignment);
}

}  // namespace ggfp8
