#include "backends/cpu/cpu_device.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

#include "backends/cpu/cpu_isa.h"

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

}  // namespace

DeviceInfo query_cpu_device() noexcept {
  DeviceInfo device;
  device.type = DeviceType::kCpu;
  std::snprintf(device.name, sizeof(device.name), "%s", current_isa().name);
  device.num_processors = usable_processors();
  device.l2_bytes = l2_bytes();
  if (const char* limit = std::getenv("GGFP8_NUM_THREADS")) {
    const long wanted = std::strtol(limit, nullptr, 10);
    if (wanted > 0 && wanted < device.num_processors) {
      device.num_processors = static_cast<int32_t>(wanted);
    }
  }
  return device;
}

}  // namespace ggfp8
