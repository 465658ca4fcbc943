// Finds functions of CUDA's driver at run time: the library does not link the driver.
#pragma once

namespace ggfp8 {

// The address of the function as it was in a version of CUDA, 12080 for 12.8. nullptr, without an
// error that stays, where the driver does not have the function.
void* find_driver_function(const char* name, unsigned version) noexcept;

}  // namespace ggfp8
