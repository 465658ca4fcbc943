// Chooses the backend for a problem: the first in order that supports it, or the requested one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "select/backend.h"

namespace ggfp8 {

constexpr size_t kMaxBackends = 8;

// Request: the backend and the configuration that a caller names.
struct Request {
  const Backend* backend = nullptr;  // null: the first that supports the call
  int32_t config = kAnyConfig;       // index into Backend::configs
};

// Reads "name" or "name/configuration"; null and "" ask for nothing. On failure the sentence lists
// the names there are.
Status read_request(std::span<const Backend* const> backends, const char* text,
                    Request* request) noexcept;

// Sets *selected, or fails with every asked backend's reason. `requested` is the only backend to
// ask, or null for automatic choice. Takes up to kMaxBackends.
Status select_backend(std::span<const Backend* const> backends, const Problem& problem,
                      const DeviceInfo& device, const Backend* requested,
                      const Backend** selected) noexcept;

}  // namespace ggfp8
