// Blocks of scratch memory that are kept from call to call: fresh pages for every call would cost a
// call of a millisecond a good part of its time.
#pragma once

#include <cstddef>

namespace ggfp8 {

// A block is a huge page, where the system has one.
constexpr size_t kKeptBytes = size_t{2} << 20;

// Returns a block of kKeptBytes, aligned to kKeptBytes, with any contents, or null where there is
// no memory. A thread is likely to get the block that it gave back last.
void* take_kept_memory() noexcept;

// Takes a block back. Up to 256 blocks are kept until the process ends.
void give_back_kept_memory(void* block) noexcept;

}  // namespace ggfp8
