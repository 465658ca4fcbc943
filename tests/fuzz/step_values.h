// Values of arrays of the steps, in the forms that memory has them.
#pragma once

#include <cstdint>
#include <cstring>

#include "random.h"
#include "step_case.h"

namespace fuzz {

inline int64_t or_default(int64_t value, int64_t fallback) {
  return value == 0 ? fallback : value;
}

inline int64_t num_blocks(int64_t size, int64_t block) {
  return (size + block - 1) / block;
}

inline int64_t float_bytes(int32_t dtype) {
  return dtype == GGFP8_DTYPE_FLOAT32 ? 4 : 2;
}

inline int64_t index_bytes(int32_t dtype) {
  return dtype == GGFP8_DTYPE_INT64 ? 8 : 4;
}

inline int32_t any_float_dtype(Random& random) {
  return random.one_of({0, GGFP8_DTYPE_BFLOAT16, GGFP8_DTYPE_FLOAT16, GGFP8_DTYPE_FLOAT32});
}

// Writes element idx, a normal value or zero that the type has exactly.
inline void put_float(void* array, int64_t idx, int32_t dtype, float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  auto half = static_cast<uint16_t>(bits >> 16);
  if (dtype == GGFP8_DTYPE_FLOAT16) {
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    half = static_cast<uint16_t>(sign | (magnitude == 0 ? 0 : (magnitude >> 13) - (112u << 10)));
  }
  if (dtype == GGFP8_DTYPE_FLOAT32) {
    std::memcpy(static_cast<char*>(array) + idx * 4, &bits, 4);
  } else {
    std::memcpy(static_cast<char*>(array) + idx * 2, &half, 2);
  }
}

inline void put_index(void* array, int64_t idx, int32_t dtype, int64_t value) {
  const auto narrow = static_cast<int32_t>(value);
  if (dtype == GGFP8_DTYPE_INT64) {
    std::memcpy(static_cast<char*>(array) + idx * 8, &value, 8);
  } else {
    std::memcpy(static_cast<char*>(array) + idx * 4, &narrow, 4);
  }
}

// Chooses a stride of at least `dense`, and says it in the args or leaves it to the default.
inline int64_t any_stride(Random& random, int64_t dense, int64_t* member) {
  const int64_t stride = dense + (random.one_in(2) ? 0 : random.uniform(0, 3));
  *member = stride == dense && random.one_in(2) ? 0 : stride;
  return stride;
}

// Adds an array of the step; no bytes make one that a call does not touch.
template <class Args>
StepArray& add_array(StepCase<Args>* made, Random& random, int64_t num_bytes, bool is_output) {
  made->arrays.push_back(std::make_unique<StepArray>(random, num_bytes));
  if (is_output) made->arrays.back()->make_output();
  return *made->arrays.back();
}

}  // namespace fuzz
