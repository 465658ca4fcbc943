# Finds nvcc and enables the CUDA language; sets GGFP8_CUDA to whether it did.
#
# Looks for a system nvcc first and then for the toolkit's Python wheels, which pip brings as build
# requirements where there is no system nvcc. GGFP8_CUDA_TOOLCHAIN, as a cache or an environment
# variable, narrows the search. Both sources must be recent enough to know every architecture.
set(GGFP8_CUDA_MINIMUM 12.8)

# Sets ${result} to the path of a system nvcc that is recent enough, or to "".
function(_ggfp8_find_system_nvcc result)
  set(${result} "" PARENT_SCOPE)
  find_program(GGFP8_SYSTEM_NVCC nvcc
    HINTS ENV CUDACXX ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  mark_as_advanced(GGFP8_SYSTEM_NVCC)
  if(DEFINED CMAKE_CUDA_COMPILER)
    set(nvcc ${CMAKE_CUDA_COMPILER})
  elseif(DEFINED ENV{CUDACXX})
    set(nvcc $ENV{CUDACXX})
  elseif(GGFP8_SYSTEM_NVCC)
    set(nvcc ${GGFP8_SYSTEM_NVCC})
  else()
    return()
  endif()
  execute_process(COMMAND ${nvcc} --version OUTPUT_VARIABLE text ERROR_QUIET)
  if(text MATCHES "release ([0-9.]+)" AND CMAKE_MATCH_1 VERSION_GREATER_EQUAL GGFP8_CUDA_MINIMUM)
    set(${result} ${nvcc} PARENT_SCOPE)
  else()
    message(STATUS "groupgemm_fp8: ${nvcc} is not an nvcc >= ${GGFP8_CUDA_MINIMUM}, not used")
  endif()
endfunction()

# Sets ${result} to the toolkit's root inside the Python wheels, or to "" where the wheel of nvcc or
# that of the runtime is missing.
function(_ggfp8_find_wheel_toolkit result)
  set(${result} "" PARENT_SCOPE)
  find_package(Python COMPONENTS Interpreter QUIET)
  if(NOT Python_Interpreter_FOUND)
    return()
  endif()
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c "import nvidia; print(*nvidia.__path__, sep=';')"
    OUTPUT_VARIABLE directories OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  foreach(directory IN LISTS directories)
    file(GLOB compilers ${directory}/cu*/bin/nvcc)
    if(compilers)
      list(SORT compilers COMPARE NATURAL ORDER DESCENDING)
      list(GET compilers 0 nvcc)
      cmake_path(GET nvcc PARENT_PATH root)
      cmake_path(GET root PARENT_PATH root)
      file(GLOB runtimes ${root}/lib/libcudart.so.*)
      if(runtimes)
        set(${result} ${root} PARENT_SCOPE)
        return()
      endif()
      message(STATUS "groupgemm_fp8: ${root} has nvcc without the CUDA runtime, not used")
    endif()
  endforeach()
endfunction()

# Makes nvcc from the wheels usable: it is off PATH, its profile names a lib64 that does not exist,
# and libcudart.so has no link without a version.
macro(_ggfp8_use_wheel_toolkit root)
  set(CMAKE_CUDA_COMPILER ${root}/bin/nvcc CACHE FILEPATH "CUDA compiler")
  set(CUDAToolkit_ROOT ${root} CACHE PATH "CUDA toolkit")
  set(ENV{NVCC_APPEND_FLAGS} "$ENV{NVCC_APPEND_FLAGS} -L${root}/lib")
  file(GLOB _ggfp8_cudart ${root}/lib/libcudart.so.*)
  list(GET _ggfp8_cudart 0 _ggfp8_cudart)
  set(CUDA_CUDART ${_ggfp8_cudart} CACHE FILEPATH "CUDA runtime library")
endmacro()

set(GGFP8_CUDA OFF)
if(NOT GGFP8_ENABLE_CUDA STREQUAL "AUTO" AND NOT GGFP8_ENABLE_CUDA)
  message(STATUS "groupgemm_fp8: CUDA backends are off (GGFP8_ENABLE_CUDA=${GGFP8_ENABLE_CUDA})")
  return()
endif()

include(cmake/nvcc_environment.cmake)

set(_ggfp8_source ${GGFP8_CUDA_TOOLCHAIN})
if(_ggfp8_source STREQUAL "AUTO" AND DEFINED ENV{GGFP8_CUDA_TOOLCHAIN})
  string(TOUPPER $ENV{GGFP8_CUDA_TOOLCHAIN} _ggfp8_source)
endif()

set(_ggfp8_nvcc "")
set(_ggfp8_root "")
if(NOT _ggfp8_source STREQUAL "WHEELS")
  _ggfp8_find_system_nvcc(_ggfp8_nvcc)
endif()
if(NOT _ggfp8_nvcc AND NOT _ggfp8_source STREQUAL "SYSTEM")
  _ggfp8_find_wheel_toolkit(_ggfp8_root)
endif()

if(_ggfp8_nvcc)
  set(CMAKE_CUDA_COMPILER ${_ggfp8_nvcc} CACHE FILEPATH "CUDA compiler")
elseif(_ggfp8_root)
  _ggfp8_use_wheel_toolkit(${_ggfp8_root})
elseif(GGFP8_ENABLE_CUDA STREQUAL "AUTO")
  message(STATUS "groupgemm_fp8: no nvcc >= ${GGFP8_CUDA_MINIMUM} found, CUDA backends are off")
  return()
else()
  message(FATAL_ERROR "groupgemm_fp8: GGFP8_ENABLE_CUDA=ON, but no nvcc >= ${GGFP8_CUDA_MINIMUM} "
    "was found (toolchain: ${_ggfp8_source}). Put nvcc on PATH or set CMAKE_CUDA_COMPILER.")
endif()

# Every backend states its own architectures.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES OFF)
endif()
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  # CMake before 3.26 does not know that nvcc speaks C++20, and would leave the flag out.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
find_package(CUDAToolkit ${GGFP8_CUDA_MINIMUM} REQUIRED)
set(GGFP8_CUDA ON)
message(STATUS "groupgemm_fp8: CUDA backends are on (${CMAKE_CUDA_COMPILER})")
