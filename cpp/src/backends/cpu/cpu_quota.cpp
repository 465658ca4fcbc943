#include "backends/cpu/cpu_quota.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "core/math.h"
#include "core/remembered.h"

namespace ggfp8 {
namespace {

constexpr int kPathBytes = 4096;

// A path that was too long is empty, and opens nothing.
struct Path {
  char text[kPathBytes] = {0};

  Path(const char* root, const char* folder, const char* group, const char* file) {
    const int length = std::snprintf(text, sizeof text, "%s%s%s/%s", root, folder, group, file);
    if (length >= kPathBytes) text[0] = '\0';
  }
};

// Reads up to two whole numbers of a file; returns how many there were.
int read_numbers(const Path& path, long long* first, long long* second) {
  std::FILE* file = std::fopen(path.text, "re");
  if (file == nullptr) return 0;
  const int count = std::fscanf(file, "%lld %lld", first, second);
  std::fclose(file);
  return count;
}

// The smaller of two limits, where 0 is none.
int32_t tighter(int32_t limit, long long quota, long long period) {
  if (quota <= 0 || period <= 0) return limit;
  constexpr long long kMany = 1 << 20;
  const auto processors = static_cast<int32_t>(min_of((quota - 1) / period + 1, kMany));
  return limit == 0 ? processors : min_of(limit, processors);
}

// Tightens *limit by the quota of one group.
void read_version_2(const char* root, const char* group, int32_t* limit) {
  long long quota = 0, period = 0;
  for (const char* folder : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    if (read_numbers({root, folder, group, "cpu.max"}, &quota, &period) == 2) {
      *limit = tighter(*limit, quota, period);
    }
  }
}

void read_version_1(const char* root, const char* group, int32_t* limit) {
  long long quota = 0, period = 0, unused = 0;
  for (const char* folder : {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"}) {
    if (read_numbers({root, folder, group, "cpu.cfs_quota_us"}, &quota, &unused) == 1 &&
        read_numbers({root, folder, group, "cpu.cfs_period_us"}, &period, &unused) == 1) {
      *limit = tighter(*limit, quota, period);
    }
  }
}

// Whether a list like "cpu,cpuacct" has cpu.
bool lists_cpu(const char* controllers) {
  for (const char* name = controllers; name != nullptr; name = std::strchr(name, ',')) {
    if (*name == ',') ++name;
    if (std::strncmp(name, "cpu", 3) == 0 && (name[3] == ',' || name[3] == '\0')) return true;
  }
  return false;
}

// A line of /proc/self/cgroup is "number:controllers:group". A container may see a group's path
// from outside of its own tree; the walk up to the root meets what the container has mounted.
void read_group(const char* root, char* line, int32_t* limit) {
  line[std::strcspn(line, "\n")] = '\0';
  char* controllers = std::strchr(line, ':');
  if (controllers == nullptr) return;
  char* group = std::strchr(++controllers, ':');
  if (group == nullptr) return;
  *group++ = '\0';
  const bool version_2 = *controllers == '\0';
  if (!version_2 && !lists_cpu(controllers)) return;
  for (size_t length = std::strlen(group);; --length) {
    if (length != 0 && group[length] != '/' && group[length] != '\0') continue;
    group[length] = '\0';
    version_2 ? read_version_2(root, group, limit) : read_version_1(root, group, limit);
    if (length == 0) return;
  }
}

}  // namespace

int32_t read_quota_processors(const char* root) noexcept {
  int32_t limit = 0;
  std::FILE* file = std::fopen(Path(root, "/proc/self", "", "cgroup").text, "re");
  if (file == nullptr) return 0;
  char line[kPathBytes];
  while (std::fgets(line, sizeof line, file) != nullptr) read_group(root, line, &limit);
  std::fclose(file);
  return limit;
}

int32_t quota_processors() noexcept {
  static Remembered<int32_t> known_limit;
  int32_t limit = 0;
  const auto read = [](int32_t* value) noexcept {
    const int saved_errno = errno;  // files that do not exist set it
    *value = read_quota_processors("");
    errno = saved_errno;
    return kSuccess;
  };
  (void)known_limit.get(read, &limit);  // succeeds
  return limit;
}

}  // namespace ggfp8
