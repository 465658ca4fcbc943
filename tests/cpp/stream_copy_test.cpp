// Copies past the caches: every length and address, with nothing written beside the copy.
#include "host/stream_copy.h"

#include <cstdint>
#include <vector>

#include "check.h"

namespace {

constexpr size_t kMaxBytes = 300;

void check_copy(size_t to_offset, size_t from_offset, size_t bytes) {
  std::vector<uint8_t> from(kMaxBytes + 64), to(kMaxBytes + 128, 0xA5);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i);
  ggfp8::copy_past_caches(to.data() + to_offset, from.data() + from_offset, bytes);
  ggfp8::finish_copies_past_caches();
  bool right = true;
  for (size_t i = 0; i < to.size(); ++i) {
    const bool copied = i >= to_offset && i < to_offset + bytes;
    right &= to[i] == (copied ? static_cast<uint8_t>(from_offset + i - to_offset) : 0xA5);
  }
  CHECK(right);
}

}  // namespace

int main() {
  for (size_t bytes = 0; bytes <= kMaxBytes; ++bytes) {
    for (size_t offset = 0; offset < 64; ++offset) {
      check_copy(offset, 0, bytes);
      check_copy(offset, 63 - offset, bytes);
    }
  }
  return check::report();
}
