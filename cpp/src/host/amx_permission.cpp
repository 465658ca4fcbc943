#include "host/amx_permission.h"

#include "core/remembered.h"
#include "core/status.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#endif

namespace ggfp8 {
namespace {

#if defined(__x86_64__) && defined(__linux__)

bool processor_has_amx() noexcept {
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;  // leaf 7, edx
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  return (edx & kAmxBf16) != 0 && (edx & kAmxTile) != 0;
}

bool processor_has_avx512() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vbmi");
}

// Whether the system saves the tile registers of a thread: bits of XCR0. A processor with AVX-512
// that the system uses has XGETBV.
bool system_saves_tiles() noexcept {
  constexpr uint32_t kTileState = 3u << 17;
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kTileState) == kTileState;
}

const char* find_refusal() noexcept {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE
  if (!processor_has_amx()) return "the processor has no AMX with bfloat16";
  if (!processor_has_avx512()) return "the processor has AMX without AVX-512 VBMI";
  if (!system_saves_tiles()) return "the operating system does not save the tile registers of AMX";
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) {
    return "the kernel does not let this process use the tile registers of AMX";
  }
  return nullptr;
}

#else

const char* find_refusal() noexcept {
  return "it needs AMX on Linux for x86-64";
}

#endif

}  // namespace

const char* amx_refusal() noexcept {
  static Remembered<const char*> known_refusal;
  const char* refusal = nullptr;
  const auto read = [](const char** value) noexcept {
    *value = find_refusal();
    return kSuccess;
  };
  (void)known_refusal.get(read, &refusal);  // succeeds
  return refusal;
}

}  // namespace ggfp8
