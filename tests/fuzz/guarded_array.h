// An array in pages of its own, with a page that nobody may touch after its end or before its
// start: an access past the array ends the process, in any build.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace fuzz {

class GuardedArray {
 public:
  // `at_end`: the last byte is the last before the guard; else the first is the first after it.
  GuardedArray(int64_t num_bytes, bool at_end) : num_bytes_(num_bytes) {
    const int64_t page = sysconf(_SC_PAGESIZE);
    const int64_t inner = (num_bytes + page - 1) / page * page;
    mapped_bytes_ = static_cast<size_t>(inner + 2 * page);
    void* map = mmap(nullptr, mapped_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) std::abort();
    map_ = static_cast<char*>(map);
    if (inner > 0 && mprotect(map_ + page, static_cast<size_t>(inner), PROT_READ | PROT_WRITE)) {
      std::abort();
    }
    data_ = map_ + page + (at_end ? inner - num_bytes : 0);
  }
  ~GuardedArray() { munmap(map_, mapped_bytes_); }
  GuardedArray(const GuardedArray&) = delete;
  GuardedArray& operator=(const GuardedArray&) = delete;

  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  int64_t num_bytes() const { return num_bytes_; }
  void fill(unsigned char value) { std::memset(data_, value, static_cast<size_t>(num_bytes_)); }

 private:
  int64_t num_bytes_;
  size_t mapped_bytes_;
  char* map_;
  char* data_;
};

}  // namespace fuzz
