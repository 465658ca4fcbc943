// The functions that a build for an older glibc brings: exceptions of a program that is linked with
// them find their handlers, and an address outside of every loaded object is refused.
#include <dlfcn.h>

#include <stdexcept>
#include <string>

#include "check.h"

namespace {

[[gnu::noinline]] void throw_from(int depth) {
  if (depth == 0) throw std::runtime_error("thrown");
  throw_from(depth - 1);
  asm volatile("");  // keeps the call from becoming a jump
}

void check_exceptions() {
  for (int depth : {0, 1, 50}) {
    std::string caught;
    try {
      throw_from(depth);
    } catch (const std::exception& error) {
      caught = error.what();
    }
    CHECK(caught == "thrown");
  }
}

void check_addresses() {
  dl_find_object found = {};
  void* own = reinterpret_cast<void*>(&check_exceptions);
  CHECK_EQ(_dl_find_object(own, &found), 0);
  CHECK(found.dlfo_map_start <= own && own < found.dlfo_map_end);
  CHECK(found.dlfo_eh_frame >= found.dlfo_map_start && found.dlfo_eh_frame < found.dlfo_map_end);
  CHECK(found.dlfo_link_map == nullptr);  // glibc's own function would set the link map
  int local = 0;
  CHECK_EQ(_dl_find_object(&local, &found), -1);
  CHECK_EQ(_dl_find_object(nullptr, &found), -1);
}

}  // namespace

int main() {
  check_exceptions();
  check_addresses();
  return check::report();
}
