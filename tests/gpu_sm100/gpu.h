// The parts that the GPU tests of sm100 share: device arrays, and errors that end the program.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace gpu {

inline void require(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

// Exit status 77 marks a skipped test.
// Also makes the device's context current, which the driver's own functions ask for.
inline void skip_without_device() {
  if (cudaSetDevice(0) == cudaSuccess) return;
  std::fprintf(stderr, "skipped: there is no CUDA device\n");
  std::exit(77);
}

template <class Entry>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<Entry>& values) : size_(values.size()) {
    require(cudaMalloc(&data_, std::max<size_t>(bytes(), 1)), "cudaMalloc");
    upload(values);
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  void upload(const std::vector<Entry>& values) {
    require(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice), "upload");
  }
  std::vector<Entry> download() const {
    std::vector<Entry> values(size_);
    require(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost), "download");
    return values;
  }
  Entry* data() const { return data_; }

 private:
  size_t bytes() const { return size_ * sizeof(Entry); }

  size_t size_;
  Entry* data_ = nullptr;
};

}  // namespace gpu
