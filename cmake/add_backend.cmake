# ggfp8_add_backend(<name> SOURCES <file>... [ARCHITECTURES <arch>...])
#
# Adds cpp/src/backends/<name> to the library: an OBJECT library groupgemm_fp8_<name> with its own
# CUDA architectures, and the macro GGFP8_WITH_<NAME> by which select/registry.cpp lists it. With
# ARCHITECTURES it is a CUDA backend and is left out of a build without CUDA, or when
# GGFP8_CUDA_ARCHITECTURES keeps none of them.
function(ggfp8_add_backend name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;ARCHITECTURES")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "ggfp8_add_backend(${name}): wanted SOURCES and maybe ARCHITECTURES")
  endif()

  if(arg_ARCHITECTURES)
    set(architectures ${arg_ARCHITECTURES})
    if(GGFP8_CUDA_ARCHITECTURES)
      _ggfp8_intersect(architectures "${GGFP8_CUDA_ARCHITECTURES}")
    endif()
    if(NOT GGFP8_CUDA OR NOT architectures)
      return()
    endif()
  endif()

  set(target groupgemm_fp8_${name})
  add_library(${target} OBJECT ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE groupgemm_fp8_internal)
  if(arg_ARCHITECTURES)
    set_target_properties(${target} PROPERTIES CUDA_ARCHITECTURES "${architectures}")
    # Device code evaluates the constexpr functions of a backend's config.
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>)
    target_link_libraries(${target} PRIVATE CUDA::cudart_static)
  endif()
  set_property(GLOBAL APPEND PROPERTY GGFP8_BACKENDS ${name})
endfunction()

# Keeps in the list variable `items` what is also in `wanted`.
function(_ggfp8_intersect items wanted)
  set(kept "")
  foreach(item IN LISTS ${items})
    if(item IN_LIST wanted)
      list(APPEND kept ${item})
    endif()
  endforeach()
  set(${items} "${kept}" PARENT_SCOPE)
endfunction()
