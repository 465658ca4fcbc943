// Blocks of memory that are kept: reuse by a thread, several threads, more blocks than are kept,
// memory that is missing. This program has an operator new of its own.
#include "host/kept_memory.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <set>
#include <thread>
#include <vector>

#include "check.h"

namespace {

std::atomic<int> num_blocks{0};  // that are allocated
bool has_memory = true;

}  // namespace

void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  if (!has_memory) return nullptr;
  ++num_blocks;
  return std::aligned_alloc(static_cast<std::size_t>(alignment), bytes);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  --num_blocks;
  std::free(memory);
}

namespace {

using ggfp8::give_back_kept_memory;
using ggfp8::kKeptBytes;
using ggfp8::take_kept_memory;

void check_reuse() {
  void* block = take_kept_memory();
  CHECK_EQ(reinterpret_cast<uintptr_t>(block) % kKeptBytes, uintptr_t{0});
  std::memset(block, 0xA5, kKeptBytes);
  give_back_kept_memory(block);
  for (int i = 0; i < 10; ++i) {
    CHECK(take_kept_memory() == block);
    give_back_kept_memory(block);
  }
  CHECK_EQ(num_blocks.load(), 1);
}

void check_missing_memory() {
  has_memory = false;
  void* kept = take_kept_memory();
  CHECK(kept != nullptr);
  CHECK(take_kept_memory() == nullptr);
  give_back_kept_memory(kept);
  has_memory = true;
}

// A thread gets its own block again, also where another one comes first in the order of blocks.
void check_own_block() {
  std::atomic<int> step{0};
  const auto wait_for = [&](int wanted) {
    while (step != wanted) std::this_thread::yield();
  };
  void* first = take_kept_memory();
  std::thread other([&] {
    void* block = take_kept_memory();
    CHECK(block != first);
    step = 1;
    wait_for(2);
    give_back_kept_memory(block);
    CHECK(take_kept_memory() == block);
    give_back_kept_memory(block);
  });
  wait_for(1);
  give_back_kept_memory(first);
  step = 2;
  other.join();
  CHECK_EQ(num_blocks.load(), 2);
}

// No two threads have a block at the same time.
void check_threads() {
  constexpr int kNumThreads = 4;
  std::atomic<int> num_wrong{0}, num_ready{0};
  const auto use_blocks = [&](int thread) {
    for (int turn = 0; turn < 2000; ++turn) {
      auto* block = static_cast<volatile int*>(take_kept_memory());
      *block = thread;
      if (turn == 0) {
        ++num_ready;
        while (num_ready < kNumThreads) std::this_thread::yield();
      }
      num_wrong += *block != thread;
      give_back_kept_memory(const_cast<int*>(block));
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kNumThreads; ++i) threads.emplace_back(use_blocks, i);
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(num_wrong.load(), 0);
  CHECK_EQ(num_blocks.load(), kNumThreads);
}

// Blocks past the number that is kept are given back to the system.
void check_many_blocks() {
  constexpr int kMostKept = 256;
  std::set<void*> blocks;
  for (int i = 0; i < kMostKept + 10; ++i) blocks.insert(take_kept_memory());
  CHECK_EQ(blocks.size(), size_t{kMostKept} + 10);
  for (void* block : blocks) give_back_kept_memory(block);
  CHECK_EQ(num_blocks.load(), kMostKept);
}

}  // namespace

int main() {
  check_reuse();
  check_missing_memory();
  check_own_block();
  check_threads();
  check_many_blocks();
  return check::report();
}
