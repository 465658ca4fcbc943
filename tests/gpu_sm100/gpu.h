// The parts that the GPU tests of sm100 share: device arrays, errors that end the program, and a
// model of the groups that a possibly malformed m_indptr stands for.
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

struct Rows {
  int64_t begin, end;
};

// A bound is the largest of the values up to it, each brought into [0, cum_m].
inline std::vector<Rows> groups_of(const std::vector<int32_t>& m_indptr, int64_t cum_m) {
  std::vector<Rows> groups;
  int64_t row = std::clamp<int64_t>(m_indptr[0], 0, cum_m);
  for (size_t i = 1; i < m_indptr.size(); ++i) {
    const int64_t end = std::max(row, std::clamp<int64_t>(m_indptr[i], 0, cum_m));
    groups.push_back({row, end});
    row = end;
  }
  return groups;
}

}  // namespace gpu
