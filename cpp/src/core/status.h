// Result of an internal step and the thread-local sentence that explains the last failure.
//
// Every layer reports a failure with fail(code, sentence); the C API returns the code and
// ggfp8_last_error() returns the sentence. Sentences have the form "name: got X, wanted Y".
#pragma once

#include <cstdint>

namespace ggfp8 {

// A GGFP8_* value of the public header; 0 is success.
using Status = int32_t;

constexpr Status kSuccess = 0;

// Capacity of one sentence, the terminating zero included; longer ones are cut.
constexpr int kMessageBytes = 1024;

// A fixed-size text: messages are made on paths that must not allocate or throw.
struct Message {
  char text[kMessageBytes] = {0};

  // Appends printf-style text, cut at the capacity.
  void append(const char* format, ...) noexcept __attribute__((format(printf, 2, 3)));
};

// Stores the sentence for this thread and returns code.
[[nodiscard]] Status fail(Status code, const char* format, ...) noexcept
    __attribute__((format(printf, 2, 3)));

// The last sentence stored on this thread, "" before the first failure.
const char* last_error() noexcept;

// The constant phrase for a status code; never null.
const char* status_string(Status code) noexcept;

}  // namespace ggfp8
