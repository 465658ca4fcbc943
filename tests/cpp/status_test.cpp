// core/status.h: the sentence belongs to its thread, is cut safely at its capacity, and every
// status has a phrase of its own.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

constexpr size_t kLongest = ggfp8::kMessageBytes - 1;

void check_first_sentence_is_empty() {
  CHECK(std::string(ggfp8::last_error()).empty());
}

void check_fail() {
  CHECK_EQ(ggfp8::fail(GGFP8_ERROR_CUDA, "x: got %d, wanted %s", 3, "four"), GGFP8_ERROR_CUDA);
  CHECK(std::string(ggfp8::last_error()) == "x: got 3, wanted four");
  // An argument may be the sentence that is being replaced.
  CHECK_EQ(ggfp8::fail(7, "again: %s", ggfp8::last_error()), 7);
  CHECK(std::string(ggfp8::last_error()) == "again: x: got 3, wanted four");
  // Text from outside is never a format.
  CHECK_EQ(ggfp8::fail(7, "%s", "%n%s%d"), 7);
  CHECK(std::string(ggfp8::last_error()) == "%n%s%d");
}

void check_truncation() {
  for (size_t length : {kLongest - 1, kLongest, kLongest + 1, size_t{100000}}) {
    const std::string text(length, 'x');
    CHECK_EQ(ggfp8::fail(1, "%s", text.c_str()), 1);
    CHECK_EQ(std::strlen(ggfp8::last_error()), std::min(length, kLongest));
  }
}

void check_append() {
  ggfp8::Message message;
  std::string wanted;
  for (int i = 0; i < 500; ++i) {
    message.append("%d, ", i);
    wanted += std::to_string(i) + ", ";
  }
  CHECK(wanted.size() > kLongest);
  CHECK(std::string(message.text) == wanted.substr(0, kLongest));
}

// Each thread starts with none, then reads what it wrote, whatever the others write.
void check_threads() {
  CHECK_EQ(ggfp8::fail(1, "the main thread"), 1);
  constexpr int kNumThreads = 8;
  std::vector<int> num_wrong(kNumThreads, 0);
  std::vector<std::thread> threads;
  for (int idx = 0; idx < kNumThreads; ++idx) {
    threads.emplace_back([idx, &wrong = num_wrong[static_cast<size_t>(idx)]] {
      if (ggfp8::last_error()[0] != '\0') ++wrong;
      for (int i = 0; i < 2000; ++i) {
        (void)ggfp8::fail(1, "%d of thread %d", i, idx);
        const std::string wanted = std::to_string(i) + " of thread " + std::to_string(idx);
        if (ggfp8::last_error() != wanted) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int wrong : num_wrong) CHECK_EQ(wrong, 0);
  CHECK(std::string(ggfp8::last_error()) == "the main thread");
}

void check_status_strings() {
  const ggfp8::Status statuses[] = {GGFP8_SUCCESS,
                                    GGFP8_ERROR_INVALID_ARGUMENT,
                                    GGFP8_ERROR_INVALID_STRUCT_SIZE,
                                    GGFP8_ERROR_INVALID_DTYPE,
                                    GGFP8_ERROR_INVALID_SHAPE,
                                    GGFP8_ERROR_INVALID_STRIDE,
                                    GGFP8_ERROR_INVALID_ALIGNMENT,
                                    GGFP8_ERROR_INVALID_GRANULARITY,
                                    GGFP8_ERROR_INVALID_SCALE_MAJOR,
                                    GGFP8_ERROR_INVALID_MMA_SM,
                                    GGFP8_ERROR_INVALID_DEVICE,
                                    GGFP8_ERROR_INVALID_M_INDPTR,
                                    GGFP8_ERROR_INVALID_GROUP_LAYOUT,
                                    GGFP8_ERROR_INVALID_WORKSPACE,
                                    GGFP8_ERROR_UNKNOWN_BACKEND,
                                    GGFP8_ERROR_UNSUPPORTED,
                                    GGFP8_ERROR_NO_DRIVER,
                                    GGFP8_ERROR_CUDA,
                                    GGFP8_ERROR_OUT_OF_HOST_MEMORY,
                                    GGFP8_ERROR_INTERNAL};
  const std::string unknown = ggfp8::status_string(-1);
  std::set<std::string> phrases = {unknown};
  for (ggfp8::Status status : statuses) {
    const std::string phrase = ggfp8::status_string(status);
    CHECK(!phrase.empty());
    CHECK(phrases.insert(phrase).second);
    CHECK(phrase == ggfp8_status_string(status));
  }
  // No other value has a phrase, so the list above is complete.
  int num_known = 0;
  for (ggfp8::Status status = -1000; status < 1000; ++status) {
    num_known += ggfp8::status_string(status) != unknown;
  }
  CHECK_EQ(num_known, static_cast<int>(std::size(statuses)));
  CHECK(ggfp8::status_string(INT32_MIN) == unknown && ggfp8::status_string(INT32_MAX) == unknown);
}

}  // namespace

int main() {
  check_first_sentence_is_empty();
  check_fail();
  check_truncation();
  check_append();
  check_threads();
  check_status_strings();
  return check::report();
}
