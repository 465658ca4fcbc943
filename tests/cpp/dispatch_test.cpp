// Which backend of the full library takes a call on which GPU, without one: the registry and the
// selection as they ship, the supports() of every CUDA backend, a table of devices, and calls that
// ask for one configuration.
//
// The CMake target compiles registry.cpp with every backend switched on; their launch functions
// are not needed here.
#include <cstring>
#include <string>
#include <vector>

#include "backends/mma/mma_config.h"
#include "backends/mma/mma_heuristics.h"
#include "backends/sm100/sm100_config.h"
#include "backends/sm100/sm100_heuristics.h"
#include "backends/sm90/sm90_heuristics.h"
#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "select/registry.h"
#include "select/select.h"

namespace ggfp8 {

extern const Backend kSm90Backend;
extern const Backend kMmaBackend;
const Backend kSm90Backend = {"sm90", sm90::supports, sm90::plan, nullptr, sm90::kShapeNames};
const Backend kMmaBackend = {"mma", mma::supports, mma::plan, nullptr, mma::kShapeNames};
#ifdef GGFP8_WITH_SM100
extern const Backend kSm100Backend;
const Backend kSm100Backend = {"sm100", sm100::supports, sm100::plan, nullptr};
#endif

}  // namespace ggfp8

namespace {

#ifdef GGFP8_WITH_SM100
constexpr bool kHasSm100 = true;
#else
constexpr bool kHasSm100 = false;
#endif

using ggfp8::Backend;
using ggfp8::DeviceInfo;
using ggfp8::Dtype;
using ggfp8::Plan;
using ggfp8::Problem;

struct Device {
  const char* name;
  int major, minor;
  int num_sms;
  int64_t smem_per_cta, smem_per_sm;  // KiB
  const char* backend;
  const char* sm90_reason;   // part of it; "" where it takes the call
  const char* sm100_reason;  // the same
};

constexpr const char* kNotHopper = "needs compute capability 9.0, the device has";
constexpr const char* kNotBlackwell = "needs compute capability 10.x or 11.0, the device has";

constexpr Device kDevices[] = {
    {"A100", 8, 0, 108, 163, 164, "mma", kNotHopper, kNotBlackwell},
    {"A40", 8, 6, 84, 99, 100, "mma", kNotHopper, kNotBlackwell},
    {"L40", 8, 9, 142, 99, 100, "mma", kNotHopper, kNotBlackwell},
    {"H200", 9, 0, 132, 227, 228, "sm90", "", kNotBlackwell},
    {"B200", 10, 0, 148, 227, 228, "sm100", kNotHopper, ""},
    {"B300", 10, 3, 148, 227, 228, "sm100", kNotHopper, ""},
    {"Thor", 11, 0, 20, 227, 228, "sm100", kNotHopper, ""},
    {"RTX 5090", 12, 0, 170, 99, 100, "mma", kNotHopper, kNotBlackwell},
    {"GB10", 12, 1, 48, 99, 100, "mma", kNotHopper, kNotBlackwell},
    {"a later one", 13, 0, 200, 227, 228, "mma", kNotHopper, kNotBlackwell},
};

DeviceInfo device_info(const Device& device) {
  DeviceInfo info;
  info.type = ggfp8::DeviceType::kCuda;
  info.compute_major = device.major;
  info.compute_minor = device.minor;
  info.num_processors = device.num_sms;
  info.max_smem_bytes_per_cta = device.smem_per_cta * 1024;
  info.smem_bytes_per_sm = device.smem_per_sm * 1024;
  return info;
}

// An ordinary call: 8 groups, dense arrays at addresses that any allocation has.
Problem ordinary_problem() {
  Problem problem;
  const auto address = [](uintptr_t value) { return reinterpret_cast<uint8_t*>(value << 20); };
  problem.a.data = address(1), problem.b.data = address(2), problem.out.data = address(3);
  problem.cum_m = 1000, problem.n = 512, problem.k = 1024, problem.batch_size = 8;
  problem.a.row_stride = problem.b.row_stride = problem.k;
  problem.b.group_stride = problem.n * problem.k;
  problem.out.row_stride = problem.n;
  problem.num_m_blocks = problem.cum_m, problem.num_n_blocks = 4, problem.num_k_blocks = 8;
  return problem;
}

// Returns the backend that takes a call, as the route of a call finds it, or null.
const Backend* route(Problem* problem, const DeviceInfo& info, const char* requested) {
  const auto backends = ggfp8::registered_backends();
  ggfp8::Request request;
  const Backend* backend = nullptr;
  if (ggfp8::read_request(backends, requested, &request)) return nullptr;
  problem->requested_config = request.config;
  if (ggfp8::select_backend(backends, *problem, info, request.backend, &backend)) return nullptr;
  return backend;
}

std::string selected(const Problem& problem, const DeviceInfo& info,
                     const char* requested = nullptr) {
  Problem asked = problem;
  const Backend* backend = route(&asked, info, requested);
  return backend != nullptr ? backend->name : ggfp8::last_error();
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

void check_order() {
  std::vector<std::string> names;
  for (const Backend* backend : ggfp8::registered_backends()) names.emplace_back(backend->name);
#ifdef GGFP8_WITH_AMX
  CHECK((names == std::vector<std::string>{"sm90", "sm100", "mma", "amx", "cpu"}));
#else
  CHECK((names == std::vector<std::string>{"sm90", "sm100", "mma", "cpu"}));
#endif
}

// A refused backend says why, and the sentence of a failed request has the reason.
void check_refusal(const Device& device, const char* name, const char* reason) {
  const std::string answer = selected(ordinary_problem(), device_info(device), name);
  if (reason[0] == '\0') {
    CHECK(answer == name);
    return;
  }
  const std::string number = std::to_string(device.major) + "." + std::to_string(device.minor);
  CHECK(contains(answer, (std::string(name) + " refuses: " + reason).c_str()));
  CHECK(contains(answer, number.c_str()));
}

void check_devices() {
  for (const Device& device : kDevices) {
    const DeviceInfo info = device_info(device);
    for (const int mma_sm : {1, 2}) {
      Problem problem = ordinary_problem();
      problem.mma_sm = mma_sm;
      const bool falls_back = !kHasSm100 && std::strcmp(device.backend, "sm100") == 0;
      if (!CHECK(selected(problem, info) == (falls_back ? "mma" : device.backend))) {
        std::cerr << "  " << device.name << ": " << selected(problem, info) << "\n";
      }
      CHECK(selected(problem, info, "mma") == "mma");
    }
    check_refusal(device, "sm90", device.sm90_reason);
    if (kHasSm100) check_refusal(device, "sm100", device.sm100_reason);
  }
}

// A build without it keeps the name and tells what was missing.
void check_left_out() {
  if (kHasSm100) return;
  for (const Device& device : kDevices) {
    const std::string answer = selected(ordinary_problem(), device_info(device), "sm100");
    CHECK(contains(answer, "sm100 refuses: this library was built without it: no headers"));
  }
}

struct Refusal {
  const char* reason;
  void (*change)(Problem&);
};

constexpr Refusal kRefusals[] = {
    {"needs arrays on a CUDA device", [](Problem& p) { p.device_type = ggfp8::DeviceType::kCpu; }},
    {"needs scale_granularity_mnk (1, 128, 128) or (128, 128, 128), got (1, 64, 128)",
     [](Problem& p) { p.granularity_n = 64; }},
    {"got (128, 128, 96)", [](Problem& p) { p.granularity_m = 128, p.granularity_k = 96; }},
    {"needs out_dtype bfloat16 or float16, got float32",
     [](Problem& p) { p.out_dtype = Dtype::kFloat32; }},
    {"needs k of at least 16, got 0", [](Problem& p) { p.k = 0; }},
    {"needs a at a multiple of 16 bytes", [](Problem& p) { p.a.data += 8; }},
    {"needs b at a multiple of 16 bytes", [](Problem& p) { p.b.data += 1; }},
    {"needs out at a multiple of 16 bytes",
     [](Problem& p) { p.out.data = static_cast<char*>(p.out.data) + 4; }},
    {"needs rows of out a multiple of 16 bytes apart, got 1026",
     [](Problem& p) { p.out.row_stride = 513; }},
    {"needs slabs of out a multiple of 16 bytes apart, got 200002",
     [](Problem& p) { p.out.group_stride = 100001; }},
    {"less than 2^40 bytes apart", [](Problem& p) { p.a.row_stride = int64_t{1} << 40; }},
    {"less than 2^40 bytes apart", [](Problem& p) { p.b.row_stride = int64_t{1} << 40; }},
    {"less than 2^40 bytes apart", [](Problem& p) { p.out.row_stride = int64_t{1} << 39; }},
};

// Checks what sm100 refuses on its own hardware; every such call on a GPU goes to mma.
void check_refused_problems() {
  const DeviceInfo info = device_info(kDevices[4]);
  for (const Refusal& refusal : kRefusals) {
    Problem problem = ordinary_problem();
    refusal.change(problem);
    const ggfp8::Support support = ggfp8::sm100::supports(problem, info);
    if (!CHECK(!support.ok && contains(support.reason().text, refusal.reason))) {
      std::cerr << "  wanted " << refusal.reason << ", got " << support.reason().text << "\n";
    }
    if (problem.device_type == ggfp8::DeviceType::kCuda) CHECK(selected(problem, info) == "mma");
  }
  DeviceInfo single_sm = info;
  single_sm.num_processors = 1;
  Problem problem = ordinary_problem();
  CHECK(ggfp8::sm100::supports(problem, single_sm).ok);
  problem.mma_sm = 2;
  CHECK(!ggfp8::sm100::supports(problem, single_sm).ok);
}

// Checks which granularities sm90 takes on its own hardware. The others go to mma.
void check_sm90_granularities() {
  const DeviceInfo info = device_info(kDevices[3]);
  for (const int gm : {1, 128}) {
    for (const int gn : {1, 64, 128}) {
      for (const int gk : {32, 64, 96, 128}) {
        Problem problem = ordinary_problem();
        problem.granularity_m = gm, problem.granularity_n = gn, problem.granularity_k = gk;
        const ggfp8::Support support = ggfp8::sm90::supports(problem, info);
        const bool is_taken = gn >= 64 && (gk == 64 || gk == 128);
        CHECK_EQ(support.ok, is_taken);
        CHECK(selected(problem, info) == (is_taken ? "sm90" : "mma"));
        if (!is_taken) CHECK(contains(support.reason().text, "with n and k 64 or 128, got ("));
      }
    }
  }
}

// Checks what sm90 refuses on its own hardware because its kernel counts in 32 bits.
void check_sm90_limits() {
  const DeviceInfo info = device_info(kDevices[3]);
  const auto reason = [&](const Problem& problem) {
    return std::string(ggfp8::sm90::supports(problem, info).reason().text);
  };
  Problem problem = ordinary_problem();
  problem.k = (int64_t{1} << 30) - 16;
  CHECK(reason(problem).empty());
  problem.k = int64_t{1} << 30;
  CHECK(contains(reason(problem), "needs k below 2^30"));
  CHECK(selected(problem, info) == "mma");
  problem = ordinary_problem();
  problem.cum_m = problem.batch_size = int64_t{1} << 24;
  problem.n = 8192;
  CHECK(contains(reason(problem), "needs fewer than 2^30 tiles"));
  CHECK(selected(problem, info) == "mma");
}

bool has_scale_k_64(const char* config) {
  return contains(config, "scale k 64");
}

void set_granularity_k(Problem* problem, int32_t granularity_k) {
  problem->granularity_k = granularity_k;
  problem->num_k_blocks = ggfp8::ceil_div<int64_t>(problem->k, granularity_k);
}

// A requested configuration is the one that the plan has. The backend's own choice, when it is
// requested, is the same plan.
void check_requested_configurations() {
  const DeviceInfo info = device_info(kDevices[3]);
  for (const Backend* backend : {&ggfp8::kSm90Backend, &ggfp8::kMmaBackend}) {
    for (const int64_t rows : {1, 60, 1000, 60000}) {
      for (const char* config : backend->configs) {
        Problem problem = ordinary_problem();
        problem.cum_m = rows;
        if (has_scale_k_64(config)) set_granularity_k(&problem, 64);
        const Plan chosen = backend->plan(problem, info);
        const std::string requested = std::string(backend->name) + "/" + config;
        CHECK(route(&problem, info, requested.c_str()) == backend);
        const Plan plan = backend->plan(problem, info);
        CHECK(std::strcmp(plan.config_name, config) == 0);
        CHECK(plan.num_workers > 0 && plan.workspace_bytes == 0);
        if (std::strcmp(config, chosen.config_name) != 0) continue;
        CHECK_EQ(plan.config_idx, chosen.config_idx);
        CHECK_EQ(plan.tile_n, chosen.tile_n);
        CHECK_EQ(plan.num_workers, chosen.num_workers);
      }
    }
  }
}

// A configuration that cannot take the call is refused with its reason, though the backend could.
void check_refused_configurations() {
  const DeviceInfo a40 = device_info(kDevices[1]), h200 = device_info(kDevices[3]);
  CHECK(selected(ordinary_problem(), a40, "mma/tile 64x128") == "mma");
  CHECK(contains(selected(ordinary_problem(), a40, "mma/tile 128x128"),
                 "bytes of shared memory per CTA, the device has 101376"));
  CHECK(contains(selected(ordinary_problem(), a40, "sm90/128x128"), kNotHopper));

  for (const int32_t granularity_k : {64, 128}) {
    for (const char* config : ggfp8::kSm90Backend.configs) {
      Problem problem = ordinary_problem();
      set_granularity_k(&problem, granularity_k);
      const std::string answer = selected(problem, h200, ("sm90/" + std::string(config)).c_str());
      if (has_scale_k_64(config) == (granularity_k == 64)) {
        CHECK(answer == "sm90");
      } else {
        CHECK(contains(answer, " refuses: needs a scale granularity of k of "));
      }
    }
  }

  Problem many = ordinary_problem();
  many.cum_m = many.batch_size = int64_t{1} << 23;
  many.n = 4096;
  CHECK(selected(many, h200) == "sm90");
  CHECK(selected(many, h200, "sm90/128x128") == "sm90");
  CHECK(contains(selected(many, h200, "sm90/64x16"),
                 "sm90/64x16 refuses: needs fewer than 2^30 tiles"));

  CHECK(contains(selected(ordinary_problem(), h200, "sm90/foo"),
                 "backend: got \"sm90/foo\", wanted a configuration of sm90: 32x128, 192x128"));
  CHECK(contains(selected(ordinary_problem(), h200, "sm100/128x128"),
                 "wanted sm100, which has no configurations to choose from"));
}

// mma_sm, granularity and output type choose the kernel; nothing else does. The workspace is a
// function of the number of groups and SMs.
void check_sm100_plans() {
  DeviceInfo info = device_info(kDevices[4]);
  for (const int num_sms : {148, 147}) {
    info.num_processors = num_sms;
    for (int idx = 0; idx < ggfp8::sm100::kNumConfigs; ++idx) {
      const ggfp8::sm100::Config& config = ggfp8::sm100::config_of(idx);
      Problem problem = ordinary_problem();
      problem.mma_sm = config.mma_sm;
      problem.granularity_m = config.granularity_m;
      problem.out_dtype = config.out_dtype;
      for (const int64_t batch_size : {1, 8, 256, 100000}) {
        problem.batch_size = batch_size;
        problem.cum_m = 3 * batch_size;
        CHECK(ggfp8::sm100::supports(problem, info).ok);
        const Plan plan = ggfp8::sm100::plan(problem, info);
        CHECK_EQ(plan.config_idx, idx);
        CHECK(std::strcmp(plan.config_name, config.name) == 0);
        CHECK_EQ(plan.num_workers, num_sms - num_sms % config.mma_sm);
        const size_t table_bytes = ggfp8::sm100::lay_out_tables(batch_size, nullptr).bytes;
        CHECK_EQ(plan.workspace_bytes, table_bytes + static_cast<size_t>(num_sms) * 384);
        CHECK_EQ(table_bytes % 128, 0u);
        CHECK(table_bytes < static_cast<size_t>(150 * batch_size + 11 * 128));
      }
    }
  }
}

}  // namespace

int main() {
  check_order();
  check_devices();
  check_left_out();
  check_refused_problems();
  check_sm90_granularities();
  check_sm90_limits();
  check_requested_configurations();
  check_refused_configurations();
  check_sm100_plans();
  return check::report();
}
