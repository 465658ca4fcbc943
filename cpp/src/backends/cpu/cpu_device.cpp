#include "backends/cpu/cpu_device.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

#include "backends/cpu/cpu_isa.h"
#include "backends/cpu/cpu_quota.h"
#include "core/environment.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "host/amx_permission.h"

namespace ggfp8 {
namespace {

int32_t usable_processors() noexcept {
#if defined(__linux__)
  cpu_set_t affinity;
  if (sched_getaffinity(0, sizeof(affinity), &affinity) == 0) return CPU_COUNT(&affinity);
#endif
  return std::max(1, static_cast<int32_t>(std::thread::hardware_concurrency()));
}

int64_t l2_bytes() noexcept {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  return std::max(0L, sysconf(_SC_LEVEL2_CACHE_SIZE));
#else
  return 0;
#endif
}

// The processors that this process may use, at least one.
int32_t default_num_threads() noexcept {
  const int32_t usable = usable_processors(), quota = quota_processors();
  return quota == 0 ? usable : std::min(usable, quota);
}

// An empty variable counts as none.
Status read_num_threads(int32_t* num_threads) noexcept {
  const char* text = environment().num_threads;
  if (text[0] == '\0') {
    *num_threads = default_num_threads();
    return kSuccess;
  }
  int32_t limit = INT32_MAX;  // stays where the number is larger
  const char* text_end = text + std::strlen(text);
  const auto [end, error] = std::from_chars(text, text_end, limit);
  if (end != text_end || error == std::errc::invalid_argument || text[0] == '-' || limit < 1) {
    return fail(GGFP8_ERROR_INVALID_ARGUMENT,
                "GGFP8_NUM_THREADS: got \"%s\", wanted a whole number of at least 1", text);
  }
  *num_threads = std::min(limit, usable_processors());
  return kSuccess;
}

}  // namespace

Status query_cpu_device(DeviceInfo* info) noexcept {
  DeviceInfo device;
  device.type = DeviceType::kCpu;
  const CpuIsa* isa = nullptr;
  if (Status s = read_isa(&isa)) return s;
  if (Status s = read_num_threads(&device.num_processors)) return s;
  std::snprintf(device.name, sizeof(device.name), "%s", isa->name);
  device.instruction_set = isa->instruction_set;
  device.amx_refusal = amx_refusal();
  device.l2_bytes = l2_bytes();
  *info = device;
  return kSuccess;
}

}  // namespace ggfp8
