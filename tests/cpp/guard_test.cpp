// api/guard.h: what a body throws becomes a status and a sentence, and what it returns passes.
#include "api/guard.h"

#include <new>
#include <string>
#include <system_error>

#include "check.h"

namespace {

template <class Exception>
void check_throw(const Exception& exception, int32_t status, const char* sentence) {
  CHECK_EQ(ggfp8::guarded([&]() -> ggfp8::Status { throw exception; }), status);
  CHECK(std::string(ggfp8::last_error()).find(sentence) != std::string::npos);
}

}  // namespace

int main() {
  for (int32_t status : {GGFP8_SUCCESS, GGFP8_ERROR_CUDA, 7}) {
    CHECK_EQ(ggfp8::guarded([&] { return status; }), status);
  }
  check_throw(std::bad_alloc(), GGFP8_ERROR_OUT_OF_HOST_MEMORY, "allocation");
  const auto code = std::make_error_code(std::errc::resource_unavailable_try_again);
  check_throw(std::system_error(code), GGFP8_ERROR_OUT_OF_HOST_MEMORY, "threads");
  check_throw(7, GGFP8_ERROR_INTERNAL, "unexpected");
  return check::report();
}
