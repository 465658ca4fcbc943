# Options of the build and the defaults of a top-level build.
#
# A project that uses add_subdirectory() gets the library alone: no tests, examples or install
# rules unless it asks for them.
set(GGFP8_ENABLE_CUDA AUTO CACHE STRING "Build the CUDA backends: AUTO (if nvcc is found), ON, OFF")
set_property(CACHE GGFP8_ENABLE_CUDA PROPERTY STRINGS AUTO ON OFF)
set(GGFP8_CUDA_TOOLCHAIN AUTO CACHE STRING
  "Where nvcc comes from: SYSTEM, WHEELS (Python packages), AUTO (system first)")
set_property(CACHE GGFP8_CUDA_TOOLCHAIN PROPERTY STRINGS AUTO SYSTEM WHEELS)
set(GGFP8_CUDA_ARCHITECTURES "" CACHE STRING
  "Architectures to keep, for example 90-real; empty keeps every one a backend lists")
set(GGFP8_ENABLE_SM100 AUTO CACHE STRING
  "Build the sm100 backend: AUTO (if CUDA is on and CUTLASS's headers can be had), ON, OFF")
set_property(CACHE GGFP8_ENABLE_SM100 PROPERTY STRINGS AUTO ON OFF)
set(GGFP8_CUTLASS_INCLUDE_DIR "" CACHE PATH "Folder of CUTLASS's headers; empty: fetched by pip")
set(GGFP8_GLIBC "" CACHE STRING
  "Oldest glibc that can load the library, for example 2.28; empty: that of the build machine")
set(GGFP8_SANITIZE "" CACHE STRING "Sanitizers for host code, for example address;undefined")

option(GGFP8_BUILD_TESTS "Build the C and C++ tests" ${PROJECT_IS_TOP_LEVEL})
option(GGFP8_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(GGFP8_INSTALL "Add install rules" ${PROJECT_IS_TOP_LEVEL})
option(GGFP8_WARNINGS_AS_ERRORS "Turn compiler warnings into errors" OFF)
option(GGFP8_COMPILER_NOTES_AS_ERRORS
  "Fail on kernels that spill, use local memory or have wgmma serialised" ON)

if(DEFINED SKBUILD)
  set(GGFP8_BUILD_TESTS OFF)
  set(GGFP8_BUILD_EXAMPLES OFF)
endif()

if(PROJECT_IS_TOP_LEVEL)
  get_property(_multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(NOT _multi_config AND NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()

  find_program(GGFP8_CCACHE ccache)
  mark_as_advanced(GGFP8_CCACHE)
  if(GGFP8_CCACHE)
    foreach(_language C CXX CUDA)
      set(CMAKE_${_language}_COMPILER_LAUNCHER ${GGFP8_CCACHE} CACHE STRING "Compiler launcher")
    endforeach()
  endif()
endif()
