// Address space that is reserved but hardly touched, for arrays whose strides are very large.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

// Zeroed; only pages that are written or read take memory.
class AddressSpace {
 public:
  explicit AddressSpace(int64_t num_bytes) : num_bytes_(static_cast<size_t>(num_bytes)) {
    base_ = mmap(nullptr, num_bytes_, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  ~AddressSpace() {
    if (ok()) munmap(base_, num_bytes_);
  }
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;

  bool ok() const { return base_ != MAP_FAILED; }
  char* bytes() const { return static_cast<char*>(base_); }

 private:
  size_t num_bytes_;
  void* base_;
};
