// Puts off the cancellation of the calling thread for a scope.
//
// A cancelled thread unwinds from whatever call of the system it is in, through frames that must
// not throw, which would end the process. The thread ends at its next cancellation point after the
// scope instead.
#pragma once

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace ggfp8 {

class CancelScope {
 public:
#if defined(__unix__) || defined(__APPLE__)
  CancelScope() noexcept { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &saved_); }
  ~CancelScope() { pthread_setcancelstate(saved_, nullptr); }
#else
  CancelScope() noexcept {}
#endif
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;

 private:
  [[maybe_unused]] int saved_ = 0;
};

}  // namespace ggfp8
