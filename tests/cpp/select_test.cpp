// select/select.h with made-up backends: the order, the override by name, requests for one
// configuration, and what a refusal says.
#include <array>
#include <cstring>
#include <string>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "select/registry.h"
#include "select/select.h"

namespace {

using ggfp8::Backend;
using ggfp8::DeviceInfo;
using ggfp8::Problem;
using ggfp8::Status;
using ggfp8::Support;

int num_asked = 0;

Support accept(const Problem&, const DeviceInfo&) {
  ++num_asked;
  return {};
}

Support refuse_small_n(const Problem& problem, const DeviceInfo&) {
  ++num_asked;
  if (problem.n >= 64) return {};
  return ggfp8::refuse("needs n >= %jd, got %jd", 64, problem.n);
}

Support refuse_old_device(const Problem&, const DeviceInfo& device) {
  ++num_asked;
  if (device.compute_capability() >= 90) return {};
  return ggfp8::refuse("needs compute capability 9.0, the device has %jd.%jd", device.compute_major,
                       device.compute_minor);
}

Support refuse_at_length(const Problem&, const DeviceInfo&) {
  static const std::string reason(2 * ggfp8::kMessageBytes, 'x');
  return ggfp8::refuse(reason.c_str());
}

constexpr Backend kNewest = {"newest", refuse_old_device, nullptr, nullptr};
constexpr Backend kWide = {"wide", refuse_small_n, nullptr, nullptr};
constexpr std::array kAnyConfigs = {"tile 16x8", "tile 16x8 wide"};
constexpr Backend kAny = {"any", accept, nullptr, nullptr, kAnyConfigs};
constexpr Backend kVerbose = {"verbose", refuse_at_length, nullptr, nullptr};
constexpr std::array<const Backend*, 3> kBackends = {&kNewest, &kWide, &kAny};

struct Selection {
  Status status;
  const Backend* backend = nullptr;
  int num_asked = 0;
};

Selection select(std::span<const Backend* const> backends, int n, int compute_major,
                 const char* requested) {
  Problem problem;
  problem.n = n;
  DeviceInfo device;
  device.compute_major = compute_major;
  num_asked = 0;
  Selection selection;
  ggfp8::Request request;
  selection.status = ggfp8::read_request(backends, requested, &request);
  if (selection.status == ggfp8::kSuccess) {
    selection.status =
        ggfp8::select_backend(backends, problem, device, request.backend, &selection.backend);
  }
  selection.num_asked = num_asked;
  return selection;
}

bool sentence_has(const char* text) {
  return std::strstr(ggfp8::last_error(), text) != nullptr;
}

// The first that supports the call takes it, and none after it is asked.
void check_order() {
  for (const char* automatic : {static_cast<const char*>(nullptr), ""}) {
    const Selection newest = select(kBackends, 64, 9, automatic);
    CHECK(newest.status == ggfp8::kSuccess && newest.backend == &kNewest && newest.num_asked == 1);
    const Selection wide = select(kBackends, 64, 8, automatic);
    CHECK(wide.status == ggfp8::kSuccess && wide.backend == &kWide && wide.num_asked == 2);
    const Selection any = select(kBackends, 8, 8, automatic);
    CHECK(any.status == ggfp8::kSuccess && any.backend == &kAny && any.num_asked == 3);
  }
}

// A requested backend is the only one asked; no other is a fallback.
void check_override() {
  const Selection any = select(kBackends, 64, 9, "any");
  CHECK(any.status == ggfp8::kSuccess && any.backend == &kAny && any.num_asked == 1);
  const Selection wide = select(kBackends, 8, 9, "wide");
  CHECK(wide.status == GGFP8_ERROR_UNSUPPORTED && wide.backend == nullptr);
  CHECK_EQ(wide.num_asked, 1);
  CHECK(sentence_has("requested"));
  CHECK(sentence_has("wide refuses: needs n >= 64, got 8"));
  CHECK(!sentence_has("newest"));
}

void check_unknown_name() {
  for (const char* name : {"nobody", "an", "anyone", "ANY", " any"}) {
    const Selection selection = select(kBackends, 64, 9, name);
    CHECK(selection.status == GGFP8_ERROR_UNKNOWN_BACKEND && selection.backend == nullptr);
    CHECK_EQ(selection.num_asked, 0);
    CHECK(sentence_has(name));
    CHECK(sentence_has("newest, wide, any"));
  }
}

struct Read {
  Status status;
  ggfp8::Request request;
};

Read read(const char* text) {
  Read read;
  read.status = ggfp8::read_request(kBackends, text, &read.request);
  return read;
}

void check_requests() {
  for (const char* nothing : {static_cast<const char*>(nullptr), ""}) {
    const auto [status, request] = read(nothing);
    CHECK(status == ggfp8::kSuccess && request.backend == nullptr);
    CHECK_EQ(request.config, ggfp8::kAnyConfig);
  }
  const Read plain = read("any");
  CHECK(plain.status == ggfp8::kSuccess && plain.request.backend == &kAny);
  CHECK_EQ(plain.request.config, ggfp8::kAnyConfig);
  for (size_t i = 0; i < kAnyConfigs.size(); ++i) {
    const auto [status, request] = read((std::string("any/") + kAnyConfigs[i]).c_str());
    CHECK(status == ggfp8::kSuccess && request.backend == &kAny);
    CHECK_EQ(request.config, static_cast<int32_t>(i));
  }
}

void check_unknown_configuration() {
  for (const char* name :
       {"any/", "any/tile", "any/tile 16x8 ", "any//tile 16x8", "any/TILE 16x8"}) {
    CHECK_EQ(read(name).status, GGFP8_ERROR_UNKNOWN_BACKEND);
    const std::string wanted = std::string("backend: got \"") + name +
                               "\", wanted a configuration of any: tile 16x8, tile 16x8 wide";
    CHECK(ggfp8::last_error() == wanted);
  }
  CHECK_EQ(read("wide/tile 16x8").status, GGFP8_ERROR_UNKNOWN_BACKEND);
  CHECK(std::strcmp(ggfp8::last_error(),
                    "backend: got \"wide/tile 16x8\", wanted wide, which has no configurations to "
                    "choose from") == 0);
  CHECK_EQ(read("/tile 16x8").status, GGFP8_ERROR_UNKNOWN_BACKEND);
  CHECK(sentence_has("wanted one of: newest, wide, any"));
}

void check_reasons_are_kept() {
  const auto backends = std::span(kBackends).first(2);
  const Selection selection = select(backends, 8, 8, nullptr);
  CHECK(selection.status == GGFP8_ERROR_UNSUPPORTED && selection.backend == nullptr);
  CHECK(sentence_has("newest refuses: needs compute capability 9.0, the device has 8.0"));
  CHECK(sentence_has("; wide refuses: needs n >= 64, got 8"));
}

// More text than a sentence holds: the first reasons stay whole and nothing is overrun.
void check_long_texts() {
  const std::array<const Backend*, 4> backends = {&kWide, &kVerbose, &kVerbose, &kVerbose};
  CHECK_EQ(select(backends, 8, 8, nullptr).status, GGFP8_ERROR_UNSUPPORTED);
  CHECK(sentence_has("wide refuses: needs n >= 64, got 8; verbose refuses: xxx"));
  CHECK_EQ(std::strlen(ggfp8::last_error()), size_t{ggfp8::kMessageBytes - 1});

  for (const char* backend : {"", "any/", "wide/"}) {
    const std::string name = backend + std::string(5000, 'y');
    CHECK_EQ(select(kBackends, 8, 8, name.c_str()).status, GGFP8_ERROR_UNKNOWN_BACKEND);
    CHECK_EQ(std::strlen(ggfp8::last_error()), size_t{ggfp8::kMessageBytes - 1});
  }
}

void check_no_backends() {
  CHECK_EQ(select({}, 8, 8, nullptr).status, GGFP8_ERROR_UNSUPPORTED);
  CHECK_EQ(select({}, 8, 8, "any").status, GGFP8_ERROR_UNKNOWN_BACKEND);
}

// The registry of this build: distinct names, and the one that takes any device comes last.
void check_registry() {
  const auto registered = ggfp8::registered_backends();
  CHECK(!registered.empty() && std::strcmp(registered.back()->name, "cpu") == 0);
  for (const Backend* backend : registered) {
    ggfp8::Request found;
    CHECK_EQ(ggfp8::read_request(registered, backend->name, &found), ggfp8::kSuccess);
    CHECK(found.backend == backend && backend->supports && backend->plan && backend->launch);
  }
}

}  // namespace

int main() {
  check_order();
  check_override();
  check_unknown_name();
  check_requests();
  check_unknown_configuration();
  check_reasons_are_kept();
  check_long_texts();
  check_no_backends();
  check_registry();
  return check::report();
}
