// Copies past the caches, for outputs that do not fit there: a store through the cache would read
// the line first, and push out what is still needed.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ggfp8 {

// Copies as memcpy() does. Other threads may read the copy once this thread has called
// finish_copies_past_caches() and they have synchronised with it. Without SSE2 the copy goes
// through the caches.
inline void copy_past_caches(void* to, const void* from, size_t bytes) noexcept {
#if defined(__SSE2__)
  constexpr size_t kLineBytes = 64;
  auto* target = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
  const size_t to_line = (0 - reinterpret_cast<uintptr_t>(to)) % kLineBytes;
  const size_t head = to_line < bytes ? to_line : bytes;
  std::memcpy(target, source, head);
  size_t done = head;
  for (; done + kLineBytes <= bytes; done += kLineBytes) {
    for (size_t i = 0; i < kLineBytes; i += sizeof(__m128i)) {
      const __m128i piece = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + done + i));
      _mm_stream_si128(reinterpret_cast<__m128i*>(target + done + i), piece);
    }
  }
  std::memcpy(target + done, source + done, bytes - done);
#else
  std::memcpy(to, from, bytes);
#endif
}

// Orders all copies past the caches before the stores that follow. It waits for the copies: once
// after many takes less time than after each.
inline void finish_copies_past_caches() noexcept {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace ggfp8
