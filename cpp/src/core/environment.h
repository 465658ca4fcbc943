// The library's environment variables: read once per process.
//
// getenv() returns memory that setenv() of another thread may free, so no call asks for the
// environment after the first that needed it.
#pragma once

#include "core/status.h"

namespace ggfp8 {

// Values as the environment has them; "" where a variable is not set.
struct Environment {
  static constexpr int kValueBytes = 256;  // longer values are cut, which no legal value is

  char backend[kValueBytes] = {0};      // GGFP8_BACKEND
  char num_threads[kValueBytes] = {0};  // GGFP8_NUM_THREADS
  char cpu_isa[kValueBytes] = {0};      // GGFP8_CPU_ISA
};

// Returns the variables, which the first call reads. Valid for the life of the process.
const Environment& environment() noexcept;

// Reads the variables anew. Calls that are in progress keep those that they have.
Status reload_environment() noexcept;

}  // namespace ggfp8
