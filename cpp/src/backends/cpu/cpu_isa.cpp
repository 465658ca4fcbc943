#include "backends/cpu/cpu_isa.h"

#include <array>
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

struct IsaList {
  std::array<const CpuIsa*, 3> isas{};
  size_t count = 0;
};

IsaList detect_isas() noexcept {
  IsaList list;
#ifdef GGFP8_CPU_X86
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (has_avx512) list.isas[list.count++] = &kAvx512Isa;
  if (has_avx2) list.isas[list.count++] = &kAvx2Isa;
#endif
#ifdef GGFP8_CPU_AARCH64
  list.isas[list.count++] = &kNeonIsa;
#endif
  list.isas[list.count++] = &kPortableIsa;
  return list;
}

}  // namespace

std::span<const CpuIsa* const> available_isas() noexcept {
  static const IsaList list = detect_isas();
  return {list.isas.data(), list.count};
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
