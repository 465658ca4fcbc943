// Attributes of a call frame that are numbers: each has a name, a type and a place to go to.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/status.h"
#include "xla/xla_abi.h"

namespace ggfp8::xla {

struct NumberAttribute {
  std::string_view name;
  DataType dtype;  // kInt32 or kFloat32
  void* target;    // to an int32_t or float
};

inline NumberAttribute number(std::string_view name, int32_t* target) {
  return {name, DataType::kInt32, target};
}

inline NumberAttribute number(std::string_view name, float* target) {
  return {name, DataType::kFloat32, target};
}

// Writes attribute idx to the target of its name; refuses a name that is not known.
[[nodiscard]] Status read_number(const Attributes& attributes, int64_t idx,
                                 const NumberAttribute* known, size_t num_known) noexcept;

// Writes all attributes; one that is missing leaves its target alone.
template <size_t kNum>
[[nodiscard]] Status read_numbers(const Attributes& attributes,
                                  const NumberAttribute (&known)[kNum]) noexcept {
  for (int64_t i = 0; i < attributes.size; ++i) {
    if (Status s = read_number(attributes, i, known, kNum)) return s;
  }
  return kSuccess;
}

}  // namespace ggfp8::xla
