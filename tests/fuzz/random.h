// Random choices of the fuzzers: a sequence that its seed repeats.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>

namespace fuzz {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  int64_t uniform(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  bool one_in(int64_t n) { return uniform(1, n) == 1; }

  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[uniform(0, static_cast<int64_t>(values.size()) - 1)];
  }

  // A number that tests of sizes and strides may not expect.
  int64_t hostile() {
    const int64_t near = uniform(-2, 2);
    switch (uniform(0, 4)) {
      case 0: return near;
      case 1: return uniform(-300, 300);
      case 2: return (int64_t{1} << uniform(0, 62)) + near;
      case 3: return one_of({INT64_MAX, INT64_MIN, INT64_MAX - 15, -(int64_t{1} << 32)});
      default: return static_cast<int64_t>(engine_());
    }
  }
  int32_t hostile32() { return static_cast<int32_t>(hostile()); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace fuzz
