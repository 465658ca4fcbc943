// The environment is read once per process, and anew where a program asks for it. This program has
// a getenv() of its own, which counts.
#include "core/environment.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "environment_variable.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "groupgemm_fp8/moe.h"
#include "ones_call.h"

extern "C" char** environ;

namespace {

int num_reads = 0;  // of variables of the library

}  // namespace

extern "C" char* getenv(const char* name) noexcept {
  const size_t length = std::strlen(name);
  num_reads += std::strncmp(name, "GGFP8_", 6) == 0 ? 1 : 0;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') {
      return *entry + length + 1;
    }
  }
  return nullptr;
}

namespace {

constexpr int32_t kRows = 2, kN = 8, kK = 16;

int32_t multiply() {
  return OnesCall(kRows, kN, kK).run();
}

int32_t quantize() {
  return OnesQuantization(kRows, 128).run();
}

int32_t query() {
  ggfp8_device_info info = {};
  info.struct_size = sizeof info;
  return ggfp8_device_query(GGFP8_DEVICE_CPU, 0, &info);
}

void check_calls_do_not_read() {
  CHECK_EQ(multiply(), GGFP8_SUCCESS);
  CHECK(num_reads > 0);
  num_reads = 0;
  for (int i = 0; i < 3; ++i) {
    CHECK_EQ(multiply(), GGFP8_SUCCESS);
    CHECK_EQ(quantize(), GGFP8_SUCCESS);
    CHECK_EQ(query(), GGFP8_SUCCESS);
  }
  CHECK_EQ(num_reads, 0);
}

void check_reload() {
  setenv("GGFP8_BACKEND", "nobody", 1);
  CHECK_EQ(multiply(), GGFP8_SUCCESS);
  const ggfp8::Environment& before = ggfp8::environment();
  CHECK_EQ(ggfp8_environment_backend(), before.backend);
  CHECK_EQ(ggfp8_reload_environment(), GGFP8_SUCCESS);
  CHECK_EQ(multiply(), GGFP8_ERROR_UNKNOWN_BACKEND);
  CHECK_EQ(before.backend[0], '\0');  // calls in progress keep what they have
  CHECK(std::strcmp(ggfp8_environment_backend(), "nobody") == 0);
  check::set_variable("GGFP8_BACKEND", nullptr);
  CHECK_EQ(multiply(), GGFP8_SUCCESS);
}

// A value that is too long is cut, and refused as any other name that is not known.
void check_long_values() {
  const std::string long_value(10000, 'x');
  check::set_variable("GGFP8_BACKEND", long_value.c_str());
  CHECK_EQ(multiply(), GGFP8_ERROR_UNKNOWN_BACKEND);
  check::set_variable("GGFP8_BACKEND", nullptr);
  check::set_variable("GGFP8_CPU_ISA", long_value.c_str());
  CHECK_EQ(query(), GGFP8_ERROR_INVALID_ARGUMENT);
  check::set_variable("GGFP8_CPU_ISA", nullptr);
}

}  // namespace

int main() {
  for (const char* name : {"GGFP8_BACKEND", "GGFP8_NUM_THREADS", "GGFP8_CPU_ISA"}) unsetenv(name);
  check_calls_do_not_read();
  check_reload();
  check_long_values();
  return check::report();
}
