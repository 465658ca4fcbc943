#include "api/tensor_workspace.h"

#include "core/math.h"

namespace ggfp8 {

Status check_workspace_array(const Array& workspace, bool read_only) noexcept {
  if (!is_bytes(workspace.dtype)) {
    return fail(GGFP8_ERROR_INVALID_DTYPE, "%s: got dtype %s, wanted uint8", workspace.name,
                name_of(workspace.dtype).text);
  }
  if (Status s = check_rank(workspace, 1, "one axis of bytes")) return s;
  if (Status s = check_strides(workspace)) return s;
  if (Status s = check_memory(workspace, 1)) return s;
  return check_writable(workspace, read_only);
}

WorkspacePart aligned_part(const Array& workspace) noexcept {
  const auto start = reinterpret_cast<uintptr_t>(workspace.data);
  const uintptr_t skipped = round_up<uintptr_t>(start, GGFP8_WORKSPACE_ALIGNMENT) - start;
  const auto bytes = static_cast<uintptr_t>(workspace.shape[0]);
  if (bytes <= skipped) return {};
  return {static_cast<char*>(workspace.data) + skipped, bytes - skipped};
}

}  // namespace ggfp8
