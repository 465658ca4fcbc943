#include "host/call_threads.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace ggfp8 {

SignalScope::SignalScope() noexcept {
#if defined(__unix__) || defined(__APPLE__)
  sigset_t signals;
  sigfillset(&signals);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&signals, fault);
  pthread_sigmask(SIG_BLOCK, &signals, &saved_);
#endif
}

SignalScope::~SignalScope() {
#if defined(__unix__) || defined(__APPLE__)
  pthread_sigmask(SIG_SETMASK, &saved_, nullptr);
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
