// An array of bytes as a workspace: frameworks align to less than the workspace's alignment.
#pragma once

#include <cstddef>

#include "api/tensor_checks.h"

namespace ggfp8 {

struct WorkspacePart {
  void* data = nullptr;  // null if nothing is left
  size_t bytes = 0;
};

// The array is one contiguous axis of bytes with memory, and may be written.
Status check_workspace_array(const Array& workspace, bool read_only) noexcept;

// The part of a checked array from its first aligned address on.
WorkspacePart aligned_part(const Array& workspace) noexcept;

}  // namespace ggfp8
