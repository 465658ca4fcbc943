// Lists the names of a table of tile shapes: what Backend::configs has.
#pragma once

#include <array>
#include <cstddef>

namespace ggfp8 {

template <class Shape, size_t kCount>
constexpr std::array<const char*, kCount> names_of(const std::array<Shape, kCount>& shapes) {
  std::array<const char*, kCount> names = {};
  for (size_t i = 0; i < kCount; ++i) names[i] = shapes[i].name;
  return names;
}

}  // namespace ggfp8
