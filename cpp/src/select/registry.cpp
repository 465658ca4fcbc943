// The only place that knows which backends this build has; the build system sets the macros.
#include "select/registry.h"

#include <array>

#include "select/select.h"

namespace ggfp8 {

extern const Backend kCpuBackend;
#ifdef GGFP8_WITH_AMX
extern const Backend kAmxBackend;
#endif
#ifdef GGFP8_WITH_SM90
extern const Backend kSm90Backend;
#endif
#ifdef GGFP8_WITH_SM100
extern const Backend kSm100Backend;
#elif defined GGFP8_WITHOUT_SM100
// A CUDA build that leaves the backend out lists it all the same, so that a call learns why.
constexpr Backend kSm100Backend = {
    "sm100",
    [](const Problem&, const DeviceInfo&) {
      return refuse("this library was built without it: " GGFP8_WITHOUT_SM100);
    },
    nullptr, nullptr};
#endif
#ifdef GGFP8_WITH_MMA
extern const Backend kMmaBackend;
#endif

namespace {

// Fastest first: the first that supports a call takes it.
constexpr std::array kBackends = {
#ifdef GGFP8_WITH_SM90
    &kSm90Backend,
#endif
#if defined GGFP8_WITH_SM100 || defined GGFP8_WITHOUT_SM100
    &kSm100Backend,
#endif
#ifdef GGFP8_WITH_MMA
    &kMmaBackend,
#endif
#ifdef GGFP8_WITH_AMX
    &kAmxBackend,
#endif
    &kCpuBackend,
};
static_assert(kBackends.size() <= kMaxBackends);

}  // namespace

std::span<const Backend* const> registered_backends() noexcept {
  return kBackends;
}

}  // namespace ggfp8
