# ggfp8_set_code_generation(<target>) makes a target independent of flags that come from elsewhere:
# from the environment (CXXFLAGS), the cache (CMAKE_CXX_FLAGS) or a parent project.
#
# Results are those of IEEE arithmetic in the order that the sources state, whatever -ffast-math,
# -Ofast or -march=native ask for. A target of a build without a build type is optimised. Call this
# function before the target gets options of its own: -fno-fast-math resets what precedes it.

# Each switch that -ffast-math implies can be given by itself, and then outlasts -fno-fast-math.
set(_ggfp8_ieee_flags -fno-fast-math -fno-unsafe-math-optimizations -fno-associative-math
  -fno-reciprocal-math -fno-finite-math-only -fsigned-zeros -fno-rounding-math -ffp-contract=off)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  list(APPEND _ggfp8_ieee_flags -mfpmath=sse)
endif()
# The C API turns exceptions into statuses.
set(_ggfp8_host_flags ${_ggfp8_ieee_flags} -fexceptions)
list(JOIN _ggfp8_host_flags "," _ggfp8_host_flags_for_nvcc)
set(_ggfp8_cuda_flags --ftz=false --prec-div=true --prec-sqrt=true --fmad=true
  -Xcompiler=${_ggfp8_host_flags_for_nvcc})

function(ggfp8_set_code_generation target)
  set(host $<COMPILE_LANGUAGE:C,CXX>)
  set(cuda $<COMPILE_LANGUAGE:CUDA>)
  set(no_build_type $<STREQUAL:$<CONFIG>,>)
  target_compile_options(${target} PRIVATE
    "$<${host}:${_ggfp8_host_flags}>"
    "$<${cuda}:${_ggfp8_cuda_flags}>"
    $<${no_build_type}:-O3>)
  # One kernel is one file to nvcc, and flags of one instruction set bind one file.
  set_target_properties(${target} PROPERTIES UNITY_BUILD OFF CUDA_SEPARABLE_COMPILATION OFF)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "SHARED_LIBRARY" OR type STREQUAL "EXECUTABLE")
    # A compiler driver that is asked for fast mathematics at link time adds start-up code that
    # flushes subnormal numbers to zero in every thread of the process. -O2 ends an -Ofast.
    # Libraries come after link options and after the flags of the environment.
    target_link_libraries(${target} PRIVATE
      -O2 -fno-fast-math -fno-unsafe-math-optimizations)
  endif()
endfunction()
