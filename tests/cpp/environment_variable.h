// Sets environment variables of the library, which reads them once per process.
#pragma once

#include <cstdlib>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace check {

// Sets a variable, or removes it where the value is null, and has the library read it.
inline void set_variable(const char* name, const char* value) {
  value == nullptr ? unsetenv(name) : setenv(name, value, 1);
  CHECK_EQ(ggfp8_reload_environment(), GGFP8_SUCCESS);
}

}  // namespace check
