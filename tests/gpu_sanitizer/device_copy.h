// Tools of the drivers for compute-sanitizer: the library's functions, and copies of host arrays in
// device memory of exactly their bytes.
#pragma once

#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

[[noreturn]] inline void stop(const std::string& reason) {
  std::fprintf(stderr, "driver: %s\n", reason.c_str());
  std::exit(1);
}

inline void check_cuda(cudaError_t status, const char* call) {
  if (status != cudaSuccess) stop(std::string(call) + ": " + cudaGetErrorString(status));
}

inline void* open_library(const char* path) {
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) stop(dlerror());
  return handle;
}

template <class Function>
Function find(void* handle, const char* name) {
  void* symbol = dlsym(handle, name);
  if (symbol == nullptr) stop(dlerror());
  return reinterpret_cast<Function>(symbol);
}

using Bytes = std::vector<uint8_t>;

// A copy of host bytes in device memory, or a place for as many.
class DeviceCopy {
 public:
  explicit DeviceCopy(const Bytes& host) : num_bytes_(host.size()) {
    if (num_bytes_ == 0) return;
    check_cuda(cudaMalloc(&base_, num_bytes_), "cudaMalloc");
    check_cuda(cudaMemcpy(base_, host.data(), num_bytes_, cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  ~DeviceCopy() { (void)cudaFree(base_); }
  // Memory that nobody has written.
  explicit DeviceCopy(size_t num_bytes) : num_bytes_(num_bytes) {
    if (num_bytes_ != 0) check_cuda(cudaMalloc(&base_, num_bytes_), "cudaMalloc");
  }
  DeviceCopy(const DeviceCopy&) = delete;
  DeviceCopy& operator=(const DeviceCopy&) = delete;

  template <class T>
  T* at(int64_t offset) const {
    return reinterpret_cast<T*>(static_cast<uint8_t*>(base_) + offset);
  }

  Bytes read() const {
    Bytes host(num_bytes_);
    check_cuda(cudaMemcpy(host.data(), base_, num_bytes_, cudaMemcpyDeviceToHost), "cudaMemcpy");
    return host;
  }

 private:
  size_t num_bytes_;
  void* base_ = nullptr;
};
