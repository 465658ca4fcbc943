// The kernels of quantisation that exist.
#include "steps/quantize/quantize_kernels.h"

#include <array>
#include <cstddef>
#include <utility>

#include "steps/quantize/quantize_rows.cuh"
#include "steps/quantize/quantize_scatter.cuh"
#include "steps/quantize/quantize_source.cuh"
#include "steps/quantize/quantize_tall.cuh"

namespace ggfp8::steps {
namespace {

template <int kIdx>
const void* address_of() {
  constexpr QuantizeKernel kKind = kind_of_kernel(kIdx);
  constexpr Dtype kIn = x_dtype_of_kernel(kIdx);
  constexpr Dtype kOut = out_dtype_of_kernel(kIdx);
  if constexpr (kKind == QuantizeKernel::kRows) {
    return reinterpret_cast<const void*>(&quantize_rows<PlainSource<kIn>, kOut, kLargeGridRows>);
  } else if constexpr (kKind == QuantizeKernel::kFewRows) {
    return reinterpret_cast<const void*>(&quantize_rows<PlainSource<kIn>, kOut, kMidGridRows>);
  } else if constexpr (kKind == QuantizeKernel::kGate) {
    using Source = GateSource<kIn, kChunkSize>;
    return reinterpret_cast<const void*>(&quantize_rows<Source, kOut, kMidGridRows>);
  } else if constexpr (kKind == QuantizeKernel::kSmallGate) {
    using Source = GateSource<kIn, kSmallChunkSize>;
    return reinterpret_cast<const void*>(&quantize_rows<Source, kOut, 1>);
  } else if constexpr (kKind == QuantizeKernel::kScatter) {
    return reinterpret_cast<const void*>(&quantize_scatter<kIn, kOut>);
  } else {
    return reinterpret_cast<const void*>(&quantize_tall<PlainSource<kIn>, kOut>);
  }
}

template <size_t... kIdx>
std::array<const void*, sizeof...(kIdx)> all_addresses(std::index_sequence<kIdx...>) {
  return {address_of<static_cast<int>(kIdx)>()...};
}

}  // namespace

const void* quantize_kernel_address(int idx) {
  static const auto addresses = all_addresses(std::make_index_sequence<kNumQuantizeKernels>());
  return addresses[static_cast<size_t>(idx)];
}

}  // namespace ggfp8::steps
