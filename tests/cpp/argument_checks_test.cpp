// api/argument_checks.h: the checks of members that several functions share, at their limits.
#include "api/argument_checks.h"

#include <cstdint>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

void check_workspaces() {
  alignas(GGFP8_WORKSPACE_ALIGNMENT) static char memory[2 * GGFP8_WORKSPACE_ALIGNMENT];
  const auto check = [](const void* workspace, size_t bytes, size_t needed) {
    return ggfp8::check_workspace_memory(workspace, bytes, needed);
  };
  CHECK_EQ(check(nullptr, 0, 0), ggfp8::kSuccess);
  CHECK_EQ(check(memory + 1, 0, 0), ggfp8::kSuccess);  // nothing is needed
  CHECK_EQ(check(memory, 100, 100), ggfp8::kSuccess);
  CHECK_EQ(check(memory, 101, 100), ggfp8::kSuccess);
  CHECK_EQ(check(memory, 99, 100), GGFP8_ERROR_INVALID_WORKSPACE);
  CHECK_EQ(check(nullptr, 100, 100), GGFP8_ERROR_INVALID_WORKSPACE);
  CHECK_EQ(check(memory + 128, 100, 100), GGFP8_ERROR_INVALID_WORKSPACE);
}

void check_strides() {
  const auto read = [](int64_t stride, int64_t dense, int64_t count, int64_t* resolved) {
    return ggfp8::read_member_stride("stride", stride, dense, count, resolved);
  };
  int64_t resolved = -1;
  CHECK_EQ(read(0, 24, 3, &resolved), ggfp8::kSuccess);
  CHECK_EQ(resolved, 24);
  CHECK_EQ(read(25, 24, 3, &resolved), ggfp8::kSuccess);
  CHECK_EQ(resolved, 25);
  for (int64_t wrong : {int64_t{23}, int64_t{-1}, INT64_MIN, INT64_MAX, INT64_MAX / 64 + 1}) {
    CHECK_EQ(read(wrong, 24, 3, &resolved), GGFP8_ERROR_INVALID_STRIDE);
    CHECK_EQ(resolved, 25);
  }
  // Elements have up to eight bytes, and two strides may add: a sixteenth of 2^63 is too far.
  CHECK_EQ(read(INT64_MAX / 32, 24, 1, &resolved), ggfp8::kSuccess);
  CHECK_EQ(read(INT64_MAX / 32 + 1, 24, 1, &resolved), GGFP8_ERROR_INVALID_STRIDE);
}

void check_extents() {
  for (int64_t legal : {0, 1, 10}) CHECK_EQ(ggfp8::check_extent("n", legal, 10), ggfp8::kSuccess);
  for (int64_t wrong : {int64_t{-1}, int64_t{11}, INT64_MIN, INT64_MAX}) {
    CHECK_EQ(ggfp8::check_extent("n", wrong, 10), GGFP8_ERROR_INVALID_SHAPE);
  }
}

void check_arrays() {
  static float array[2];
  const char* const bytes = reinterpret_cast<const char*>(array);
  CHECK_EQ(ggfp8::check_array("x", array, true, 4), ggfp8::kSuccess);
  CHECK_EQ(ggfp8::check_array("x", nullptr, false, 4), ggfp8::kSuccess);
  CHECK_EQ(ggfp8::check_array("x", nullptr, true, 4), GGFP8_ERROR_INVALID_ARGUMENT);
  for (int offset : {1, 2, 3}) {
    CHECK_EQ(ggfp8::check_array("x", bytes + offset, true, 4), GGFP8_ERROR_INVALID_ALIGNMENT);
  }
}

}  // namespace

int main() {
  check_workspaces();
  check_strides();
  check_extents();
  check_arrays();
  return check::report();
}
