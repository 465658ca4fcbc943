// The guard around the body of every public function: no exception passes it, and a thread that is
// cancelled ends after it.
#pragma once

#include <new>
#include <system_error>

#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "host/cancel_scope.h"

namespace ggfp8 {

template <class Body>
Status guarded(Body body) noexcept {
  const CancelScope cancel_scope;
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(GGFP8_ERROR_OUT_OF_HOST_MEMORY, "host memory: an allocation failed");
  } catch (const std::system_error& error) {
    return fail(GGFP8_ERROR_OUT_OF_HOST_MEMORY, "host threads: %s", error.what());
  } catch (...) {
    return fail(GGFP8_ERROR_INTERNAL, "internal: an unexpected exception");
  }
}

}  // namespace ggfp8
