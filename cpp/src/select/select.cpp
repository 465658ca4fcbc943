#include "select/select.h"

#include <cstring>

#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {

Status find_backend(std::span<const Backend* const> backends, const char* name,
                    const Backend** found) noexcept {
  Message names;
  for (const Backend* backend : backends) {
    if (std::strcmp(backend->name, name) == 0) {
      *found = backend;
      return kSuccess;
    }
    names.append("%s%s", names.text[0] ? ", " : "", backend->name);
  }
  return fail(GGFP8_ERROR_UNKNOWN_BACKEND, "backend: got \"%s\", wanted one of: %s", name,
              names.text);
}

Status select_backend(std::span<const Backend* const> backends, const Problem& problem,
                      const DeviceInfo& device, const char* requested,
                      const Backend** selected) noexcept {
  const bool automatic = requested == nullptr || requested[0] == '\0';
  const Backend* only = nullptr;
  if (!automatic) {
    if (Status status = find_backend(backends, requested, &only); status != kSuccess) return status;
  }
  Support answers[kMaxBackends];  // ok also where nobody was asked
  for (size_t i = 0; i < backends.size(); ++i) {
    if (!automatic && backends[i] != only) continue;
    answers[i] = backends[i]->supports(problem, device);
    if (answers[i].ok) {
      *selected = backends[i];
      return kSuccess;
    }
  }
  Message reasons;
  for (size_t i = 0; i < backends.size(); ++i) {
    if (answers[i].ok) continue;
    reasons.append("%s%s refuses: %s", reasons.text[0] ? "; " : "", backends[i]->name,
                   answers[i].reason().text);
  }
  return fail(GGFP8_ERROR_UNSUPPORTED, "backend: %s: %s",
              automatic ? "none takes this call" : "the requested one does not take this call",
              reasons.text);
}

}  // namespace ggfp8
