# ggfp8_add_backend(<name> SOURCES <file>... [ARCHITECTURES <arch>... [COMPILER_NOTES]])
#
# Adds cpp/src/backends/<name> to the library: an OBJECT library groupgemm_fp8_<name> with its own
# CUDA architectures, and the macro GGFP8_WITH_<NAME> by which select/registry.cpp lists it. With
# ARCHITECTURES it is a CUDA backend and is left out of a build without CUDA, or when
# GGFP8_CUDA_ARCHITECTURES keeps none of them. COMPILER_NOTES: the build of its kernels may report
# spills or local memory.
function(ggfp8_add_backend name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "COMPILER_NOTES" "" "SOURCES;ARCHITECTURES")
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
  ggfp8_set_code_generation(${target})
  target_link_libraries(${target} PRIVATE groupgemm_fp8_internal)
  if(arg_ARCHITECTURES)
    set_property(GLOBAL APPEND PROPERTY GGFP8_BUILT_ARCHITECTURES ${architectures})
    ggfp8_set_cuda_options(${target} "${architectures}")
    if(GGFP8_COMPILER_NOTES_AS_ERRORS AND NOT arg_COMPILER_NOTES)
      ggfp8_refuse_compiler_notes(${target})
    endif()
  endif()
  set_property(GLOBAL APPEND PROPERTY GGFP8_BACKENDS ${name})
  ggfp8_report_compile_time(${target} "backend ${name}")
  _ggfp8_announce("backend ${name}" "${architectures}" ${arg_SOURCES})
endfunction()

# Fails the build of a CUDA target on spills, local memory, serialised wgmma and ignored setmaxnreg.
function(ggfp8_refuse_compiler_notes target)
  get_target_property(launcher ${target} CUDA_COMPILER_LAUNCHER)
  if(NOT launcher)
    set(launcher "")
  endif()
  list(PREPEND launcher sh ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/refuse_compiler_notes.sh)
  set_target_properties(${target} PROPERTIES CUDA_COMPILER_LAUNCHER "${launcher}")
  set(ptxas_options --warn-on-spills,--warn-on-local-memory-usage,--warning-as-error)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-Xptxas=${ptxas_options}>)
endfunction()

# ggfp8_leave_out_backend(<name> <reason>) says that a CUDA build has no backend <name>. The library
# still lists it, with the macro GGFP8_WITHOUT_<NAME>, and it refuses every call with the reason.
function(ggfp8_leave_out_backend name reason)
  message(STATUS "groupgemm_fp8: backend ${name} is left out: ${reason}")
  string(TOUPPER ${name} upper)
  set_property(GLOBAL APPEND PROPERTY GGFP8_LEFT_OUT_BACKENDS
    "GGFP8_WITHOUT_${upper}=\"${reason}\"")
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

# ggfp8_add_steps(SOURCES <file>... ARCHITECTURES <arch>... WITHOUT_CUDA <file>...)
#
# Adds the kernels of the steps around the product, as the OBJECT library groupgemm_fp8_steps_cuda.
# A build that has no CUDA, or none of the architectures, gets the sources WITHOUT_CUDA in their
# place.
function(ggfp8_add_steps)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "SOURCES;ARCHITECTURES;WITHOUT_CUDA")
  set(target groupgemm_fp8_steps_cuda)
  set(architectures ${arg_ARCHITECTURES})
  if(GGFP8_CUDA_ARCHITECTURES)
    _ggfp8_intersect(architectures "${GGFP8_CUDA_ARCHITECTURES}")
  endif()
  if(GGFP8_CUDA AND architectures)
    add_library(${target} OBJECT ${arg_SOURCES})
    ggfp8_set_code_generation(${target})
    ggfp8_set_cuda_options(${target} "${architectures}")
    if(GGFP8_COMPILER_NOTES_AS_ERRORS)
      ggfp8_refuse_compiler_notes(${target})
    endif()
  else()
    add_library(${target} OBJECT ${arg_WITHOUT_CUDA})
    ggfp8_set_code_generation(${target})
  endif()
  target_link_libraries(${target} PRIVATE groupgemm_fp8_internal)
  if(GGFP8_CUDA AND architectures)
    _ggfp8_announce("steps" "${architectures}" ${arg_SOURCES})
    ggfp8_report_compile_time(${target} "steps on GPUs")
  endif()
endfunction()

# Says in the log of a build what takes its time.
function(_ggfp8_announce what architectures)
  list(FILTER ARGN INCLUDE REGEX "\\.cu$")
  list(LENGTH ARGN num_sources)
  list(JOIN architectures ", " names)
  message(STATUS "groupgemm_fp8: ${what}: ${num_sources} CUDA sources for ${names}")
endfunction()

# Sets what every CUDA target of the library is compiled with.
function(ggfp8_set_cuda_options target architectures)
  ggfp8_limit_compile_jobs(${target})
  ggfp8_nvcc_launcher(launcher)
  list(APPEND launcher ${CMAKE_CUDA_COMPILER_LAUNCHER})
  # Link-time optimisation of device code would make other kernels than those that were tested.
  set_target_properties(${target} PROPERTIES CUDA_COMPILER_LAUNCHER "${launcher}"
    CUDA_ARCHITECTURES "${architectures}" INTERPROCEDURAL_OPTIMIZATION OFF)
  # Device code evaluates the constexpr functions of a config. Kernels for five architectures in the
  # default compression would not fit the size that the library is held to.
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>
    $<$<COMPILE_LANGUAGE:CUDA>:--compress-mode=size>)
  target_link_libraries(${target} PRIVATE CUDA::cudart_static)
endfunction()
