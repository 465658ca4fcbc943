// The arrays of a product as shapes and types, for functions that take arrays.
#pragma once

#include <cstdint>
#include <vector>

#include "groupgemm_fp8/groupgemm_fp8.h"
#include "product_case.h"

namespace fuzz {

enum ArrayIdx { kA, kB, kAScale, kBScale, kGroups, kOut, kNumArrays };

struct ArrayForm {
  void* data = nullptr;
  std::vector<int64_t> shape, strides;
  uint8_t code = 0, bits = 0;  // of DLPack

  bool has_elements() const {
    for (int64_t size : shape) {
      if (size == 0) return false;
    }
    return true;
  }
};

// In the order of ArrayIdx.
std::vector<ArrayForm> forms_of(const ProductCase& product);

// The options that a product says beside its arrays.
ggfp8_group_gemm_options options_of(const ProductCase& product);

}  // namespace fuzz
