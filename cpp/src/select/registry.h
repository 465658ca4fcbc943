// The ordered list of backends in this build. Selection asks them in this order.
#pragma once

#include <span>

#include "select/backend.h"

namespace ggfp8 {

std::span<const Backend* const> registered_backends() noexcept;

}  // namespace ggfp8
