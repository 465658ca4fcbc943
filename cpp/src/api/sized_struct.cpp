#include "api/sized_struct.h"

namespace ggfp8 {

Status read_sized_struct(const void* source, size_t known_bytes, size_t minimum_bytes, void* copy,
                         const char* name) noexcept {
  if (source == nullptr) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT, "%s: got NULL, wanted a struct", name);
  }
  size_t given_bytes = 0;
  std::memcpy(&given_bytes, source, sizeof given_bytes);
  // The upper bound keeps a garbage size from being followed as the length of a tail.
  constexpr size_t kMaxStructBytes = 65536;
  if (given_bytes < minimum_bytes || given_bytes > kMaxStructBytes) {
    return fail(GGFP8_ERROR_INVALID_STRUCT_SIZE, "%s.struct_size: got %zu, wanted %zu to %zu", name,
                given_bytes, minimum_bytes, kMaxStructBytes);
  }
  const auto* bytes = static_cast<const unsigned char*>(source);
  for (size_t i = known_bytes; i < given_bytes; ++i) {
    if (bytes[i] != 0) {
      return fail(GGFP8_ERROR_INVALID_STRUCT_SIZE,
                  "%s.struct_size: got %zu with byte %zu set, wanted zeros from byte %zu on, the "
                  "end of the struct in this version",
                  name, given_bytes, i, known_bytes);
    }
  }
  std::memset(copy, 0, known_bytes);
  std::memcpy(copy, source, min_of(given_bytes, known_bytes));
  return kSuccess;
}

}  // namespace ggfp8
