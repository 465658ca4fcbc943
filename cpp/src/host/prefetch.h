// Requests memory that is read soon.
#pragma once

#include <cstdint>

namespace ggfp8 {
namespace {

constexpr int64_t kCacheLineBytes = 64;

// Requests the cache lines of `bytes` bytes. Addresses without memory do no harm.
inline void prefetch(const void* data, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += kCacheLineBytes) {
    __builtin_prefetch(static_cast<const char*>(data) + i);
  }
}

}  // namespace
}  // namespace ggfp8
