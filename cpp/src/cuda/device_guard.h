// Makes a device current for a scope and restores the caller's device at its end.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/cuda_status.h"

namespace ggfp8 {

class DeviceGuard {
 public:
  explicit DeviceGuard(int device_id) noexcept {
    status_ = check_cuda(cudaGetDevice(&previous_), "cudaGetDevice");
    if (status_ != kSuccess || previous_ == device_id) return;
    status_ = check_cuda(cudaSetDevice(device_id), "cudaSetDevice");
    switched_ = status_ == kSuccess;
  }
  ~DeviceGuard() {
    if (switched_) (void)cudaSetDevice(previous_);
  }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

  Status status() const noexcept { return status_; }

 private:
  Status status_ = kSuccess;
  int previous_ = 0;
  bool switched_ = false;
};

}  // namespace ggfp8
