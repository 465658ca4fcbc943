// The CPU as a device: the environment variables with good and bad values, and the quota of CPU
// time of control groups, read from folders that this test makes.
#include "backends/cpu/cpu_device.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "backends/cpu/cpu_isa.h"
#include "backends/cpu/cpu_quota.h"
#include "check.h"
#include "environment_variable.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

namespace fs = std::filesystem;
using ggfp8::DeviceInfo;

void check_instruction_sets() {
  DeviceInfo device;
  for (const ggfp8::CpuIsa* isa : ggfp8::available_isas()) {
    check::set_variable("GGFP8_CPU_ISA", isa->name);
    CHECK_EQ(ggfp8::query_cpu_device(&device), ggfp8::kSuccess);
    CHECK(std::strcmp(device.name, isa->name) == 0);
    CHECK(device.instruction_set == isa->instruction_set);
  }
  check::set_variable("GGFP8_CPU_ISA", "");
  CHECK_EQ(ggfp8::query_cpu_device(&device), ggfp8::kSuccess);
  CHECK(std::strcmp(device.name, ggfp8::available_isas().front()->name) == 0);
#if defined(__aarch64__)
  CHECK(std::strcmp(device.name, "neon") == 0);
#elif defined(__x86_64__)
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const char* const best = has_avx512 ? "avx512" : has_avx2 ? "avx2" : "portable";
  CHECK(std::strcmp(device.name, best) == 0);
#endif
  for (const char* bad : {"no such thing", "AVX2", "avx2 ", "sse"}) {
    check::set_variable("GGFP8_CPU_ISA", bad);
    CHECK_EQ(ggfp8::query_cpu_device(&device), GGFP8_ERROR_INVALID_ARGUMENT);
    const std::string wanted = std::string("GGFP8_CPU_ISA: got \"") + bad + "\", wanted ";
    CHECK(std::string(ggfp8::last_error()).starts_with(wanted));
    CHECK(std::strstr(ggfp8::last_error(), "portable") != nullptr);
  }
  check::set_variable("GGFP8_CPU_ISA", nullptr);
}

// The processors in the affinity mask of this thread.
int32_t num_usable() {
  cpu_set_t affinity;
  CHECK_EQ(sched_getaffinity(0, sizeof affinity, &affinity), 0);
  return CPU_COUNT(&affinity);
}

void check_numbers_of_threads() {
  DeviceInfo device;
  CHECK_EQ(ggfp8::query_cpu_device(&device), ggfp8::kSuccess);
  const int32_t unlimited = device.num_processors;
  CHECK(unlimited >= 1 && unlimited <= num_usable());
  for (const char* good : {"1", "01", "1000000", "99999999999999999999", ""}) {
    check::set_variable("GGFP8_NUM_THREADS", good);
    CHECK_EQ(ggfp8::query_cpu_device(&device), ggfp8::kSuccess);
    CHECK(std::strchr(good, '1') ? device.num_processors >= 1 : true);
    if (std::strlen(good) <= 2 && good[0] != '\0') CHECK_EQ(device.num_processors, 1);
    if (std::strlen(good) > 2) CHECK_EQ(device.num_processors, num_usable());
  }
  for (const char* bad : {"0", "-1", "-99999999999", "two", "2x", "1e3", "1.5", " ", " 2", "0x2"}) {
    check::set_variable("GGFP8_NUM_THREADS", bad);
    CHECK_EQ(ggfp8::query_cpu_device(&device), GGFP8_ERROR_INVALID_ARGUMENT);
    const std::string wanted = std::string("GGFP8_NUM_THREADS: got \"") + bad + "\", wanted ";
    CHECK(std::string(ggfp8::last_error()).starts_with(wanted));
  }
  check::set_variable("GGFP8_NUM_THREADS", nullptr);
}

// A thread that may use one processor gets one, whatever the variable says.
void check_affinity() {
  cpu_set_t before, one;
  CHECK_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  }
  CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  for (const char* number : {"", "1", "8"}) {
    check::set_variable("GGFP8_NUM_THREADS", number);
    DeviceInfo device;
    CHECK_EQ(ggfp8::query_cpu_device(&device), ggfp8::kSuccess);
    CHECK_EQ(device.num_processors, 1);
  }
  check::set_variable("GGFP8_NUM_THREADS", nullptr);
  CHECK_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

// The public functions report a bad value, too.
void check_public_function() {
  check::set_variable("GGFP8_NUM_THREADS", "many");
  ggfp8_device_info info = {};
  info.struct_size = sizeof info;
  CHECK_EQ(ggfp8_device_query(GGFP8_DEVICE_CPU, 0, &info), GGFP8_ERROR_INVALID_ARGUMENT);
  check::set_variable("GGFP8_NUM_THREADS", nullptr);
  CHECK_EQ(ggfp8_device_query(GGFP8_DEVICE_CPU, 0, &info), GGFP8_SUCCESS);
}

// A root folder with the files of control groups.
class Root {
 public:
  Root() {
    const std::string name = (fs::temp_directory_path() / "ggfp8_quota_XXXXXX").string();
    std::string path = name;
    folder_ = mkdtemp(path.data());
  }
  ~Root() { fs::remove_all(folder_); }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  Root& with(const std::string& name, const std::string& text) {
    const fs::path path = folder_ + name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return *this;
  }
  int32_t processors() const { return ggfp8::read_quota_processors(folder_.c_str()); }

 private:
  std::string folder_;
};

constexpr const char* kGroups = "/proc/self/cgroup";

void check_version_2() {
  CHECK_EQ(Root().processors(), 0);
  CHECK_EQ(Root().with(kGroups, "0::/\n").processors(), 0);
  const char* root_file = "/sys/fs/cgroup/cpu.max";
  CHECK_EQ(Root().with(kGroups, "0::/\n").with(root_file, "max 100000\n").processors(), 0);
  CHECK_EQ(Root().with(kGroups, "0::/\n").with(root_file, "200000 100000\n").processors(), 2);
  CHECK_EQ(Root().with(kGroups, "0::/\n").with(root_file, "150000 100000\n").processors(), 2);
  CHECK_EQ(Root().with(kGroups, "0::/\n").with(root_file, "1000 100000\n").processors(), 1);
  CHECK_EQ(Root().with(kGroups, "0::/\n").with(root_file, "nonsense\n").processors(), 0);
  CHECK_EQ(Root().with(kGroups, "garbage\n0:\n").with(root_file, "1000 1000\n").processors(), 0);
  // The tightest of a group and those around it counts.
  Root nested;
  nested.with(kGroups, "0::/pod/one\n").with("/sys/fs/cgroup/pod/cpu.max", "300000 100000\n");
  CHECK_EQ(nested.processors(), 3);
  nested.with("/sys/fs/cgroup/pod/one/cpu.max", "500000 100000\n");
  CHECK_EQ(nested.processors(), 3);
  nested.with("/sys/fs/cgroup/pod/one/cpu.max", "100000 100000\n");
  CHECK_EQ(nested.processors(), 1);
  nested.with("/sys/fs/cgroup/pod/onerous/cpu.max", "1 100000\n");
  CHECK_EQ(nested.processors(), 1);
}

void check_version_1() {
  const auto root_with = [](const char* folder, const char* quota, const char* groups) {
    Root root;
    const std::string path = std::string("/sys/fs/cgroup/") + folder;
    root.with(path + "/cpu.cfs_quota_us", quota).with(path + "/cpu.cfs_period_us", "100000\n");
    return root.with(kGroups, groups).processors();
  };
  const char* groups = "3:cpuset:/x\n2:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n";
  CHECK_EQ(root_with("cpu", "400000\n", groups), 4);  // the container's own group is the root
  CHECK_EQ(root_with("cpu", "-1\n", groups), 0);
  CHECK_EQ(root_with("cpu,cpuacct/docker/abc", "250000\n", groups), 3);
  CHECK_EQ(root_with("cpu/docker", "250000\n", "4:cpuacct,cpu:/docker/abc\n"), 3);
  CHECK_EQ(root_with("cpu", "250000\n", "4:cpuset:/\n5:cpuacct:/\n"), 0);
}

}  // namespace

int main() {
  check_instruction_sets();
  check_numbers_of_threads();
  check_affinity();
  check_public_function();
  check_version_2();
  check_version_1();
  return check::report();
}
