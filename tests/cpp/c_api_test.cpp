// The C API on a machine without a GPU: first calls from many threads, what each function says to
// wrong arguments, and what a call must leave alone: out after an error, and the process.
#include <cerrno>
#include <cfenv>
#include <clocale>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "environment_variable.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "ones_call.h"

namespace {

using Args = ggfp8_group_gemm_args;

constexpr int64_t kRows = 40;
constexpr int64_t kN = 136;
constexpr int64_t kK = 256;

// Rows 0 and 39 belong to no group, and group 1 has no rows.
struct Call : OnesCall {
  Call() : OnesCall(kRows, kN, kK, {1, 20, 20, 39}) { number_rows(); }
};

bool sentence_has(const char* text) {
  return std::strstr(ggfp8_last_error(), text) != nullptr;
}

// Runs before any other call of the library.
void check_first_calls_from_threads() {
  constexpr int kNumThreads = 8;
  std::vector<Call> calls(kNumThreads);
  std::vector<int32_t> statuses(kNumThreads, -1);
  std::latch start(kNumThreads);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kNumThreads; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      for (int round = 0; round < 5; ++round) statuses[i] = calls[i].run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < kNumThreads; ++i) {
    CHECK_EQ(statuses[i], GGFP8_SUCCESS);
    CHECK(calls[i].out_is_right());
  }
  CHECK(std::string(ggfp8_last_error()).empty());
}

void check_constants() {
  CHECK_EQ(ggfp8_version(),
           GGFP8_VERSION_MAJOR * 10000 + GGFP8_VERSION_MINOR * 100 + GGFP8_VERSION_PATCH);
  CHECK_EQ(ggfp8_max_cum_m(), GGFP8_MAX_CUM_M);
  CHECK_EQ(ggfp8_max_n(), GGFP8_MAX_N);
  CHECK_EQ(ggfp8_max_k(), GGFP8_MAX_K);
  CHECK_EQ(ggfp8_max_batch_size(), GGFP8_MAX_BATCH_SIZE);
  CHECK_EQ(ggfp8_workspace_alignment(), size_t{GGFP8_WORKSPACE_ALIGNMENT});
  CHECK_EQ(ggfp8_group_gemm_args_size(), sizeof(Args));
  CHECK_EQ(ggfp8_num_backends(), 1);
  CHECK(std::strcmp(ggfp8_backend_name(0), "cpu") == 0);
  for (int32_t idx : {-1, 1, INT32_MIN, INT32_MAX}) {
    CHECK(ggfp8_backend_name(idx) == nullptr);
    CHECK(ggfp8_backend_config_name(idx, 0) == nullptr);
    CHECK(ggfp8_backend_config_name(0, idx) == nullptr);
  }
  CHECK(ggfp8_backend_config_name(0, 0) == nullptr);  // cpu has none to choose from
}

void check_null_arguments() {
  const Call call;
  size_t bytes = 0;
  ggfp8_plan_info plan = {};
  plan.struct_size = sizeof plan;
  constexpr int32_t kInvalid = GGFP8_ERROR_INVALID_ARGUMENT;
  CHECK_EQ(ggfp8_group_gemm_nt_groupwise(nullptr, nullptr, 0, nullptr), kInvalid);
  CHECK(sentence_has("args"));
  CHECK_EQ(ggfp8_group_gemm_workspace_size(nullptr, &bytes), kInvalid);
  CHECK_EQ(ggfp8_group_gemm_workspace_size(&call.args, nullptr), kInvalid);
  CHECK(sentence_has("bytes"));
  CHECK_EQ(ggfp8_group_gemm_plan(nullptr, &plan), kInvalid);
  CHECK_EQ(ggfp8_group_gemm_plan(&call.args, nullptr), kInvalid);
  CHECK(sentence_has("plan"));
  CHECK_EQ(ggfp8_backend_supports(nullptr, &call.args), kInvalid);
  CHECK_EQ(ggfp8_backend_supports("", &call.args), kInvalid);
  CHECK(sentence_has("backend"));
  CHECK_EQ(ggfp8_backend_supports("cpu", nullptr), kInvalid);
  CHECK_EQ(ggfp8_device_count(GGFP8_DEVICE_CPU, nullptr), kInvalid);
  CHECK(sentence_has("count"));
  CHECK_EQ(ggfp8_device_query(GGFP8_DEVICE_CPU, 0, nullptr), kInvalid);
  CHECK(sentence_has("info"));
  int32_t value = 0;
  CHECK_EQ(ggfp8_pointer_device(&call, nullptr, &value), kInvalid);
  CHECK(sentence_has("device_type"));
  CHECK_EQ(ggfp8_pointer_device(&call, &value, nullptr), kInvalid);
  CHECK(sentence_has("device_id"));
}

// Any address, memory or not, belongs to the CPU where no CUDA is in use.
void check_pointer_device() {
  const int here = 0;
  for (const void* pointer : {static_cast<const void*>(&here), static_cast<const void*>(nullptr),
                              reinterpret_cast<const void*>(uintptr_t{0x7f0000000000})}) {
    int32_t type = -1, id = -1;
    CHECK_EQ(ggfp8_pointer_device(pointer, &type, &id), GGFP8_SUCCESS);
    CHECK(type == GGFP8_DEVICE_CPU && id == 0);
  }
}

// Callers of another version: exactly version 1, something shorter, and something longer.
void check_struct_sizes() {
  Call call;
  struct {
    Args args;
    uint64_t tail;
  } longer = {call.args, 0};
  longer.args.struct_size = sizeof longer;
  CHECK_EQ(ggfp8_group_gemm_nt_groupwise(&longer.args, nullptr, 0, nullptr), GGFP8_SUCCESS);
  CHECK(call.out_is_right());
  longer.tail = 1;
  CHECK_EQ(ggfp8_group_gemm_nt_groupwise(&longer.args, nullptr, 0, nullptr),
           GGFP8_ERROR_INVALID_STRUCT_SIZE);
  call.args.struct_size = offsetof(Args, b_scale_major);
  CHECK_EQ(call.run(), GGFP8_SUCCESS);
  call.args.struct_size -= 8;
  CHECK_EQ(call.run(), GGFP8_ERROR_INVALID_STRUCT_SIZE);

  ggfp8_plan_info plan = {};
  call.args.struct_size = sizeof call.args;
  CHECK_EQ(ggfp8_group_gemm_plan(&call.args, &plan), GGFP8_ERROR_INVALID_STRUCT_SIZE);
  CHECK(sentence_has("plan.struct_size"));
  CHECK(plan.backend == nullptr);
}

void check_plan() {
  Call call;
  ggfp8_plan_info plan = {};
  plan.struct_size = sizeof plan;
  size_t bytes = 99;
  CHECK_EQ(ggfp8_group_gemm_plan(&call.args, &plan), GGFP8_SUCCESS);
  CHECK(std::strcmp(plan.backend, "cpu") == 0 && plan.config[0] != '\0');
  CHECK(plan.num_workers >= 1 && plan.struct_size == sizeof plan && plan.reserved == 0);
  CHECK(std::strcmp(plan.group_layout, "indptr") == 0);
  CHECK_EQ(ggfp8_group_gemm_workspace_size(&call.args, &bytes), GGFP8_SUCCESS);
  CHECK(bytes == 0 && plan.workspace_bytes == 0);
  CHECK(call.out_is_untouched());

  call.args.n = 4;
  bytes = 99;
  CHECK_EQ(ggfp8_group_gemm_workspace_size(&call.args, &bytes), GGFP8_ERROR_INVALID_SHAPE);
  CHECK_EQ(bytes, size_t{99});
}

void check_empty_problems() {
  for (int64_t Args::* size : {&Args::cum_m, &Args::n, &Args::batch_size}) {
    Args args = GGFP8_GROUP_GEMM_ARGS_INIT;
    args.cum_m = kRows;
    args.n = kN;
    args.k = kK;
    args.batch_size = 3;
    args.*size = 0;
    // An empty call needs no device either.
    for (int32_t device_type : {GGFP8_DEVICE_CPU, GGFP8_DEVICE_CUDA}) {
      args.device_type = device_type;
      CHECK_EQ(ggfp8_group_gemm_nt_groupwise(&args, nullptr, 0, nullptr), GGFP8_SUCCESS);
      ggfp8_plan_info plan = {};
      plan.struct_size = sizeof plan;
      CHECK_EQ(ggfp8_group_gemm_plan(&args, &plan), GGFP8_SUCCESS);
      CHECK(std::strcmp(plan.backend, "none") == 0 && std::strcmp(plan.config, "none") == 0);
      CHECK(plan.workspace_bytes == 0 && plan.num_workers == 0);
      CHECK_EQ(ggfp8_backend_supports("cpu", &args), GGFP8_SUCCESS);
    }
  }
  // The group array is checked where the flag asks, though there is nothing to compute.
  Call call;
  call.args.n = 0;
  call.args.flags = GGFP8_FLAG_VALIDATE_M_INDPTR;
  CHECK_EQ(call.run(), GGFP8_SUCCESS);
  call.m_indptr[1] = kRows + 1;
  CHECK_EQ(call.run(), GGFP8_ERROR_INVALID_M_INDPTR);
}

void check_supports() {
  Call call;
  CHECK_EQ(ggfp8_backend_supports("cpu", &call.args), GGFP8_SUCCESS);
  call.args.backend = "nobody";  // ignored here
  CHECK_EQ(ggfp8_backend_supports("cpu", &call.args), GGFP8_SUCCESS);
  CHECK_EQ(ggfp8_backend_supports("nobody", &call.args), GGFP8_ERROR_UNKNOWN_BACKEND);
  CHECK(sentence_has("\"nobody\"") && sentence_has("cpu"));
  CHECK_EQ(ggfp8_backend_supports("cpu/avx2", &call.args), GGFP8_ERROR_UNKNOWN_BACKEND);
  CHECK(sentence_has("wanted cpu, which has no configurations to choose from"));
  call.args.device_type = GGFP8_DEVICE_CUDA;
  CHECK_EQ(ggfp8_backend_supports("cpu", &call.args), GGFP8_ERROR_NO_DRIVER);
}

void check_devices() {
  int32_t count = -1;
  CHECK_EQ(ggfp8_device_count(GGFP8_DEVICE_CPU, &count), GGFP8_SUCCESS);
  CHECK_EQ(count, 1);
  CHECK_EQ(ggfp8_device_count(GGFP8_DEVICE_CUDA, &count), GGFP8_ERROR_NO_DRIVER);
  CHECK_EQ(count, 0);
  for (int32_t type : {0, 3, -1}) {
    CHECK_EQ(ggfp8_device_count(type, &count), GGFP8_ERROR_INVALID_DEVICE);
  }
  ggfp8_device_info info = {};
  info.struct_size = sizeof info;
  CHECK_EQ(ggfp8_device_query(GGFP8_DEVICE_CPU, 0, &info), GGFP8_SUCCESS);
  CHECK(info.num_processors >= 1 && info.name[0] != '\0' && info.compute_major == 0);
  CHECK_EQ(ggfp8_device_query(GGFP8_DEVICE_CPU, 1, &info), GGFP8_ERROR_INVALID_DEVICE);
  CHECK_EQ(ggfp8_device_query(GGFP8_DEVICE_CPU, -1, &info), GGFP8_ERROR_INVALID_DEVICE);
  CHECK_EQ(ggfp8_device_query(9, 0, &info), GGFP8_ERROR_INVALID_DEVICE);
  CHECK_EQ(ggfp8_device_query(GGFP8_DEVICE_CUDA, 0, &info), GGFP8_ERROR_NO_DRIVER);
}

// Each edit makes the call fail; out keeps every byte.
void check_out_is_untouched_on_error() {
  struct Edit {
    int32_t status;
    void (*apply)(Call&);
  };
  const Edit edits[] = {
      {GGFP8_ERROR_INVALID_STRUCT_SIZE, [](Call& x) { x.args.struct_size = 8; }},
      {GGFP8_ERROR_INVALID_ARGUMENT, [](Call& x) { x.args.a = nullptr; }},
      {GGFP8_ERROR_INVALID_ARGUMENT, [](Call& x) { x.args.flags = 4; }},
      {GGFP8_ERROR_INVALID_DTYPE, [](Call& x) { x.args.b_dtype = 5; }},
      {GGFP8_ERROR_INVALID_SHAPE, [](Call& x) { x.args.k = 17; }},
      {GGFP8_ERROR_INVALID_STRIDE, [](Call& x) { x.args.out_row_stride = 8; }},
      {GGFP8_ERROR_INVALID_ALIGNMENT,
       [](Call& x) { x.args.out = reinterpret_cast<char*>(x.out.data()) + 2; }},
      {GGFP8_ERROR_INVALID_GRANULARITY, [](Call& x) { x.args.scale_granularity_k = 48; }},
      {GGFP8_ERROR_INVALID_DEVICE, [](Call& x) { x.args.device_id = 1; }},
      {GGFP8_ERROR_UNKNOWN_BACKEND, [](Call& x) { x.args.backend = "nobody"; }},
      {GGFP8_ERROR_UNKNOWN_BACKEND, [](Call& x) { x.args.backend = "cpu/avx2"; }},
      {GGFP8_ERROR_NO_DRIVER, [](Call& x) { x.args.device_type = GGFP8_DEVICE_CUDA; }},
      {GGFP8_ERROR_INVALID_M_INDPTR,
       [](Call& x) {
         x.m_indptr.back() = kRows + 1;
         x.args.flags = GGFP8_FLAG_VALIDATE_M_INDPTR;
       }},
  };
  for (const Edit& edit : edits) {
    Call call;
    edit.apply(call);
    CHECK_EQ(call.run(), edit.status);
    CHECK(call.out_is_untouched());
    CHECK(ggfp8_last_error()[0] != '\0');
  }
}

void check_backend_variable() {
  Call call;
  for (const char* value : {"cpu/avx2", "nobody"}) {
    check::set_variable("GGFP8_BACKEND", value);
    CHECK_EQ(call.run(), GGFP8_ERROR_UNKNOWN_BACKEND);
    CHECK(call.out_is_untouched());
  }
  call.args.backend = "cpu";  // the argument wins
  CHECK_EQ(call.run(), GGFP8_SUCCESS);
  CHECK(call.out_is_right());
  check::set_variable("GGFP8_BACKEND", "");
  call.args.backend = nullptr;
  CHECK_EQ(call.run(), GGFP8_SUCCESS);
  check::set_variable("GGFP8_BACKEND", nullptr);
}

// A call that succeeds and one that fails leave errno, the floating-point environment, the locale
// and the signals of the process as they were, and the sentence of an earlier failure too.
void check_process_is_unchanged() {
  struct sigaction action_before = {};
  sigset_t mask_before;
  sigaction(SIGFPE, nullptr, &action_before);
  pthread_sigmask(SIG_SETMASK, nullptr, &mask_before);
  std::setlocale(LC_ALL, "C.UTF-8");
  const std::string locale = std::setlocale(LC_ALL, nullptr);
  Call failing;
  failing.args.k = 8;
  CHECK_EQ(failing.run(), GGFP8_ERROR_INVALID_SHAPE);
  const std::string sentence = ggfp8_last_error();

  std::feclearexcept(FE_ALL_EXCEPT);
  std::fesetround(FE_DOWNWARD);
  std::feraiseexcept(FE_UNDERFLOW);  // on some processors raises inexact, too
  const int flags = std::fetestexcept(FE_ALL_EXCEPT);
  CHECK(flags & FE_UNDERFLOW);
  errno = 4321;
  Call call;
  const int32_t status = call.run();
  CHECK_EQ(errno, 4321);
  CHECK_EQ(std::fetestexcept(FE_ALL_EXCEPT), flags);
  CHECK(ggfp8_last_error() == sentence);
  errno = 4321;
  CHECK_EQ(failing.run(), GGFP8_ERROR_INVALID_SHAPE);
  CHECK_EQ(errno, 4321);
  CHECK_EQ(std::fegetround(), FE_DOWNWARD);
  CHECK_EQ(std::fetestexcept(FE_ALL_EXCEPT), flags);
  std::fesetenv(FE_DFL_ENV);
  CHECK_EQ(status, GGFP8_SUCCESS);
  CHECK(call.out_is_right());

  struct sigaction action_after = {};
  sigset_t mask_after;
  sigaction(SIGFPE, nullptr, &action_after);
  pthread_sigmask(SIG_SETMASK, nullptr, &mask_after);
  CHECK(action_before.sa_handler == action_after.sa_handler);
  for (int signal = 1; signal < SIGRTMAX; ++signal) {
    CHECK_EQ(sigismember(&mask_before, signal), sigismember(&mask_after, signal));
  }
  CHECK(locale == std::setlocale(LC_ALL, nullptr));
}

}  // namespace

int main() {
  unsetenv("GGFP8_BACKEND");
  check_first_calls_from_threads();
  check_constants();
  check_null_arguments();
  check_pointer_device();
  check_struct_sizes();
  check_plan();
  check_empty_problems();
  check_supports();
  check_devices();
  check_out_is_untouched_on_error();
  check_backend_variable();
  check_process_is_unchanged();
  return check::report();
}
