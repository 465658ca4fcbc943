#include "select/select.h"

#include <string_view>

#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {
namespace {

// Finds a configuration by name. `text` is the whole request, for the sentence.
Status find_config(const Backend& backend, std::string_view name, const char* text,
                   int32_t* config) noexcept {
  if (backend.configs.empty()) {
    return fail(GGFP8_ERROR_UNKNOWN_BACKEND,
                "backend: got \"%s\", wanted %s, which has no configurations to choose from", text,
                backend.name);
  }
  Message names;
  for (size_t i = 0; i < backend.configs.size(); ++i) {
    if (name == backend.configs[i]) {
      *config = static_cast<int32_t>(i);
      return kSuccess;
    }
    names.append("%s%s", names.text[0] ? ", " : "", backend.configs[i]);
  }
  return fail(GGFP8_ERROR_UNKNOWN_BACKEND, "backend: got \"%s\", wanted a configuration of %s: %s",
              text, backend.name, names.text);
}

}  // namespace

Status read_request(std::span<const Backend* const> backends, const char* text,
                    Request* request) noexcept {
  *request = {};
  const std::string_view requested = text == nullptr ? "" : text;
  if (requested.empty()) return kSuccess;
  const size_t slash = requested.find('/');
  Message names;
  for (const Backend* backend : backends) {
    if (requested.substr(0, slash) == backend->name) {
      request->backend = backend;
      if (slash == std::string_view::npos) return kSuccess;
      return find_config(*backend, requested.substr(slash + 1), text, &request->config);
    }
    names.append("%s%s", names.text[0] ? ", " : "", backend->name);
  }
  return fail(GGFP8_ERROR_UNKNOWN_BACKEND, "backend: got \"%s\", wanted one of: %s", text,
              names.text);
}

Status select_backend(std::span<const Backend* const> backends, const Problem& problem,
                      const DeviceInfo& device, const Backend* requested,
                      const Backend** selected) noexcept {
  Support answers[kMaxBackends];  // ok also where nobody was asked
  for (size_t i = 0; i < backends.size(); ++i) {
    if (requested != nullptr && backends[i] != requested) continue;
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
  return fail(
      GGFP8_ERROR_UNSUPPORTED, "backend: %s: %s",
      requested == nullptr ? "none takes this call" : "the requested one does not take this call",
      reasons.text);
}

}  // namespace ggfp8
