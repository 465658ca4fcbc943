// The choice among the code of instruction sets, by the name that DeviceInfo has for a CPU.
#pragma once

#include <cstring>

#include "core/device_info.h"

namespace ggfp8::steps {

template <class Code>
Code choose_isa(const DeviceInfo& device, Code portable, Code avx2, Code avx512) {
  if (std::strcmp(device.name, "avx512") == 0) return avx512;
  if (std::strcmp(device.name, "avx2") == 0) return avx2;
  return portable;
}

}  // namespace ggfp8::steps
