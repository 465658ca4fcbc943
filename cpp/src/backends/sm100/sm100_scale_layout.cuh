// The scale layouts of CUTLASS's blockwise collective with both strides as run-time values: one
// kernel then serves both scale majors and any number of rows.
#pragma once

#include <bit>
#include <cute/layout.hpp>

#include "backends/sm100/sm100_params.h"

namespace ggfp8::sm100 {

template <int kGranularity>
using CuteScaleLayout = cute::Layout<
    cute::Shape<cute::Shape<cute::Int<kGranularity>, int32_t>, cute::Shape<cute::Int<128>, int32_t>,
                int32_t>,
    cute::Stride<cute::Stride<cute::_0, int64_t>, cute::Stride<cute::_0, int64_t>, cute::_0>>;

// A table entry and CUTLASS's layout are the same bytes.
template <int kGranularity>
constexpr bool same_bytes() {
  using Layout = CuteScaleLayout<kGranularity>;
  if constexpr (sizeof(Layout) == sizeof(ScaleLayout) && alignof(Layout) == alignof(ScaleLayout)) {
    constexpr Layout layout = std::bit_cast<Layout>(ScaleLayout{3, 5, 1, 0, 7, 11});
    return cute::get<0, 1>(layout.shape()) == 3 && cute::get<1, 1>(layout.shape()) == 5 &&
           cute::get<2>(layout.shape()) == 1 && cute::get<0, 1>(layout.stride()) == 7 &&
           cute::get<1, 1>(layout.stride()) == 11;
  }
  return false;
}

static_assert(same_bytes<1>() && same_bytes<128>());

}  // namespace ggfp8::sm100
