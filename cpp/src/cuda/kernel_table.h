// The table of a backend's kernels, by the index of the instance.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

namespace ggfp8 {

using KernelAddress = const void* (*)();

// address_of.template operator()<i>() is the function that returns the address of kernel i.
template <int kNumKernels, class AddressOf>
constexpr std::array<KernelAddress, kNumKernels> make_kernel_table(AddressOf address_of) {
  return [&]<size_t... kIdx>(std::index_sequence<kIdx...>) {
    return std::array<KernelAddress, kNumKernels>{
        address_of.template operator()<static_cast<int>(kIdx)>()...};
  }(std::make_index_sequence<kNumKernels>());
}

}  // namespace ggfp8
