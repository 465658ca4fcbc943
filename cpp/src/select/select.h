// Chooses the backend for a problem: the first in order that supports it, or the requested one.
#pragma once

#include <cstddef>
#include <span>

#include "select/backend.h"

namespace ggfp8 {

constexpr size_t kMaxBackends = 8;

// Finds a backend by name. On failure the sentence lists the names there are.
Status find_backend(std::span<const Backend* const> backends, const char* name,
                    const Backend** found) noexcept;

// Sets *selected, or fails with every asked backend's reason. `requested` is a backend's name,
// or null or "" for automatic choice. Takes up to kMaxBackends.
Status select_backend(std::span<const Backend* const> backends, const Problem& problem,
                      const DeviceInfo& device, const char* requested,
                      const Backend** selected) noexcept;

}  // namespace ggfp8
