// core/problem.h: what a problem says of itself, at the limits of each answer.
#include "core/problem.h"

#include <cstdint>

#include "check.h"

namespace {

using ggfp8::Problem;

// Rows of 16-bit elements at an address, with a stride between rows and one between slabs.
bool are_aligned(uintptr_t address, int64_t row_stride, int64_t slab_stride) {
  Problem problem;
  problem.out.data = reinterpret_cast<void*>(address);
  problem.out.row_stride = row_stride;
  problem.out.group_stride = slab_stride;
  return problem.out_rows_aligned(16);
}

}  // namespace

int main() {
  CHECK(are_aligned(0x1000, 8, 0));
  CHECK(are_aligned(0x1010, 24, 16));
  CHECK(!are_aligned(0x1008, 8, 0));
  CHECK(!are_aligned(0x1000, 12, 0));
  CHECK(!are_aligned(0x1000, 8, 4));
  return check::report();
}
