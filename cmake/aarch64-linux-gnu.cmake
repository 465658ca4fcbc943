# Toolchain file: builds for aarch64 with Debian's cross compiler, and runs tests under emulation.
#
# CUDA is off unless GGFP8_CROSS_CUDA_ROOT names a CUDA toolkit whose programs are those of the
# build machine and whose folder targets/sbsa-linux has the headers and libraries of aarch64.
# build_release.py arranges such a folder.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY BOTH)

find_program(GGFP8_QEMU_AARCH64 qemu-aarch64)
mark_as_advanced(GGFP8_QEMU_AARCH64)
if(GGFP8_QEMU_AARCH64)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${GGFP8_QEMU_AARCH64} -L /usr/aarch64-linux-gnu)
endif()

if(DEFINED ENV{GGFP8_CROSS_CUDA_ROOT})
  set(GGFP8_CROSS_CUDA_ROOT $ENV{GGFP8_CROSS_CUDA_ROOT} CACHE PATH "Toolkit for aarch64")
endif()
if(GGFP8_CROSS_CUDA_ROOT)
  set(CMAKE_CUDA_COMPILER ${GGFP8_CROSS_CUDA_ROOT}/bin/nvcc)
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
  set(CUDAToolkit_ROOT ${GGFP8_CROSS_CUDA_ROOT})
else()
  set(GGFP8_ENABLE_CUDA OFF CACHE STRING "Build the CUDA backends: AUTO, ON, OFF")
endif()
