#include "host/call_threads.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <signal.h>
#endif

namespace ggfp8 {

void block_signals() noexcept {
#if defined(__unix__) || defined(__APPLE__)
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
#endif
}

DefaultFloatScope::DefaultFloatScope() noexcept {
  std::fegetenv(&saved_);
  std::fesetenv(FE_DFL_ENV);
}

DefaultFloatScope::~DefaultFloatScope() {
  std::fesetenv(&saved_);
}

}  // namespace ggfp8
