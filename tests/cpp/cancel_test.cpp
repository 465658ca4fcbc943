// A thread that is cancelled in a call ends after it, with the call's work done, and the process
// lives on.
#include <pthread.h>

#include <cstdint>

#include "check.h"
#include "every_call.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

constexpr int32_t kRows = 64, kN = 1024, kK = 1024;  // worth several threads

struct Outcome {
  int32_t first_status = -1, second_status = -1;
  bool others_are_right = false;
  int state = -1;
  bool went_on = false;
  OnesCall product = {kRows, kN, kK};
};

// The cancellation is pending from the start: whatever a call reaches that could end the thread
// would end it. The first call of the process also reads files.
void* call_and_end(void* data) {
  Outcome& outcome = *static_cast<Outcome*>(data);
  pthread_cancel(pthread_self());
  outcome.first_status = outcome.product.run();
  outcome.second_status = outcome.product.run();
  outcome.others_are_right = every_call::all_are_right();
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &outcome.state);
  pthread_testcancel();
  outcome.went_on = true;
  return nullptr;
}

void check_pending_cancellation() {
  Outcome outcome;
  pthread_t thread;
  void* result = nullptr;
  CHECK_EQ(pthread_create(&thread, nullptr, call_and_end, &outcome), 0);
  CHECK_EQ(pthread_join(thread, &result), 0);
  CHECK(result == PTHREAD_CANCELED);
  CHECK(!outcome.went_on);
  CHECK_EQ(outcome.state, PTHREAD_CANCEL_ENABLE);  // a call leaves the thread as it was
  CHECK_EQ(outcome.first_status, GGFP8_SUCCESS);
  CHECK_EQ(outcome.second_status, GGFP8_SUCCESS);
  CHECK(outcome.others_are_right);
  CHECK(outcome.product.out_is_right());
}

}  // namespace

int main() {
  check_pending_cancellation();
  return check::report();
}
