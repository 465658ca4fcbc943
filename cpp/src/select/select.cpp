#include "select/select.h"

#include <algorithm>
#include <string_view>

#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {
namespace {

// Lists names for a sentence: name(i) is the one at i.
template <class Name>
Message listed(size_t count, const Name& name) {
  Message names;
  for (size_t i = 0; i < count; ++i) names.append("%s%s", i > 0 ? ", " : "", name(i));
  return names;
}

// Finds a configuration by name. `text` is the whole request, for the sentence.
Status find_config(const Backend& backend, std::string_view name, const char* text,
                   int32_t* config) noexcept {
  const auto& configs = backend.configs;
  if (configs.empty()) {
    return fail(GGFP8_ERROR_UNKNOWN_BACKEND,
                "backend: got \"%s\", wanted %s, which has no configurations to choose from", text,
                backend.name);
  }
  const auto found = std::find(configs.begin(), configs.end(), name);
  if (found == configs.end()) {
    return fail(GGFP8_ERROR_UNKNOWN_BACKEND,
                "backend: got \"%s\", wanted a configuration of %s: %s", text, backend.name,
                listed(configs.size(), [&](size_t i) { return configs[i]; }).text);
  }
  *config = static_cast<int32_t>(found - configs.begin());
  return kSuccess;
}

}  // namespace

Status read_request(std::span<const Backend* const> backends, const char* text,
                    Request* request) noexcept {
  *request = {};
  const std::string_view requested = text == nullptr ? "" : text;
  if (requested.empty()) return kSuccess;
  const size_t slash = requested.find('/');
  const auto found = std::find_if(backends.begin(), backends.end(), [&](const Backend* backend) {
    return requested.substr(0, slash) == backend->name;
  });
  if (found == backends.end()) {
    return fail(GGFP8_ERROR_UNKNOWN_BACKEND, "backend: got \"%s\", wanted one of: %s", text,
                listed(backends.size(), [&](size_t i) { return backends[i]->name; }).text);
  }
  request->backend = *found;
  if (slash == std::string_view::npos) return kSuccess;
  return find_config(**found, requested.substr(slash + 1), text, &request->config);
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
    const bool any = problem.requested_config == kAnyConfig;
    const char* config =
        any ? "" : backends[i]->configs[static_cast<size_t>(problem.requested_config)];
    reasons.append("%s%s%s%s refuses: %s", reasons.text[0] ? "; " : "", backends[i]->name,
                   any ? "" : "/", config, answers[i].reason().text);
  }
  return fail(
      GGFP8_ERROR_UNSUPPORTED, "backend: %s: %s",
      requested == nullptr ? "none takes this call" : "the requested one does not take this call",
      reasons.text);
}

}  // namespace ggfp8
