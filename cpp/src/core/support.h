// Support: a backend's answer to "do you take this problem on this device?".
#pragma once

#include <cstdint>
#include <cstdio>

#include "core/status.h"

namespace ggfp8 {

// A refusal keeps the parts of its reason and is put into words only on request: most calls are
// refused by some backend before another backend takes them.
struct Support {
  bool ok = true;
  const char* format = "";
  intmax_t values[4] = {};

  // A clause that completes "backend NAME refuses: ...".
  Message reason() const noexcept {
    Message reason;
    std::snprintf(reason.text, kMessageBytes, format, values[0], values[1], values[2], values[3]);
    return reason;
  }
};

// A refusal with a printf-style reason, of which each value is printed by %jd.
template <class... Values>
Support refuse(const char* format, Values... values) {
  static_assert(sizeof...(values) <= 4);
  return {false, format, {static_cast<intmax_t>(values)...}};
}

}  // namespace ggfp8
