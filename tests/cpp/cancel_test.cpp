// A thread that is cancelled in a call ends after it, with the call's work done, and the process
// lives on.
#include <pthread.h>

#include <cstdint>
#include <vector>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "groupgemm_fp8/moe.h"
#include "one_group_call.h"

namespace {

constexpr int32_t kRows = 64, kN = 1024, kK = 1024;  // worth several threads

struct Product : OneGroupCall {
  Product() : OneGroupCall(kRows, kN, kK) {}
};

struct Quantization {
  std::vector<float> x = std::vector<float>(kN * kK, 1.0f);
  std::vector<uint8_t> out = std::vector<uint8_t>(kN * kK);
  std::vector<float> scale = std::vector<float>(kN * kK / 128);

  int32_t run() {
    ggfp8_quantize_groupwise_args args = GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT;
    args.x = x.data();
    args.out = out.data();
    args.scale = scale.data();
    args.rows = kN;
    args.k = kK;
    args.x_dtype = GGFP8_DTYPE_FLOAT32;
    args.device_type = GGFP8_DEVICE_CPU;
    return ggfp8_quantize_groupwise(&args, nullptr);
  }
};

struct Outcome {
  int32_t first_status = -1, second_status = -1, third_status = -1;
  int state = -1;
  bool went_on = false;
  Product product;
  Quantization quantization;
};

// The cancellation is pending from the start: whatever a call reaches that could end the thread
// would end it. The first call of the process also reads files.
void* call_and_end(void* data) {
  Outcome& outcome = *static_cast<Outcome*>(data);
  pthread_cancel(pthread_self());
  outcome.first_status = outcome.product.run();
  outcome.second_status = outcome.product.run();
  outcome.third_status = outcome.quantization.run();
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
  CHECK_EQ(outcome.third_status, GGFP8_SUCCESS);
  CHECK(outcome.product.out_is(float{kK}));
  for (float scale : outcome.quantization.scale) CHECK(scale > 0);
}

}  // namespace

int main() {
  check_pending_cancellation();
  return check::report();
}
