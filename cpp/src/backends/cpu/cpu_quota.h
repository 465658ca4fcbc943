// The CPU time that a control group of Linux grants, as containers limit it: the affinity mask does
// not show it.
#pragma once

#include <cstdint>

namespace ggfp8 {

// Returns the processors that the quota of this process's control groups is worth, rounded up; 0
// without a quota. Reads /proc and /sys below `root`: cpu.max of version 2, cpu.cfs_quota_us and
// cpu.cfs_period_us of version 1, of the process's group and of every group around it.
int32_t read_quota_processors(const char* root) noexcept;

// The same with root "", read once per process.
int32_t quota_processors() noexcept;

}  // namespace ggfp8
