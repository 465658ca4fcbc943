// Support: a backend's answer to "do you take this problem on this device?".
#pragma once

#include "core/status.h"

namespace ggfp8 {

// A refusal has a reason: a clause that completes "backend NAME refuses: ...".
struct Support {
  bool ok = true;
  Message reason;
};

// A refusal with a printf-style reason.
template <class... Values>
Support refuse(const char* format, Values... values) {
  Support support;
  support.ok = false;
  support.reason.append(format, values...);
  return support;
}

}  // namespace ggfp8
