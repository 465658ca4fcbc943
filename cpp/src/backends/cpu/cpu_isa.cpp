#include "backends/cpu/cpu_isa.h"

#include <cstring>

#include "core/environment.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

extern const CpuIsa kPortableIsa;
#ifdef GGFP8_CPU_AARCH64
extern const CpuIsa kNeonIsa;
#endif
#ifdef GGFP8_CPU_X86
extern const CpuIsa kAvx2Isa;
extern const CpuIsa kAvx512Isa;
#endif

namespace {

// The paths of this build, best first. A processor that has one has all that follow.
constexpr const CpuIsa* kIsas[] = {
#ifdef GGFP8_CPU_X86
    &kAvx512Isa, &kAvx2Isa,
#endif
#ifdef GGFP8_CPU_AARCH64
    &kNeonIsa,
#endif
    &kPortableIsa};

// Returns how many of the paths, from the best one on, this processor lacks.
size_t num_missing() noexcept {
#ifdef GGFP8_CPU_X86
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has_avx512 ? 0 : has_avx2 ? 1 : 2;
#else
  return 0;
#endif
}

}  // namespace

std::span<const CpuIsa* const> available_isas() noexcept {
  return std::span<const CpuIsa* const>(kIsas).subspan(num_missing());
}

Status read_isa(const CpuIsa** isa) noexcept {
  const char* requested = environment().cpu_isa;
  *isa = available_isas().front();
  if (requested[0] == '\0') return kSuccess;
  Message names;
  for (const CpuIsa* available : available_isas()) {
    *isa = available;
    if (std::strcmp(requested, available->name) == 0) return kSuccess;
    names.append("%s%s", names.text[0] ? ", " : "", available->name);
  }
  return fail(GGFP8_ERROR_INVALID_ARGUMENT,
              "GGFP8_CPU_ISA: got \"%s\", wanted what this processor has: %s", requested,
              names.text);
}

int32_t isa_index(InstructionSet instruction_set) noexcept {
  const auto isas = available_isas();
  for (size_t idx = 0; idx < isas.size(); ++idx) {
    if (isas[idx]->instruction_set == instruction_set) return static_cast<int32_t>(idx);
  }
  return static_cast<int32_t>(isas.size()) - 1;
}

}  // namespace ggfp8
