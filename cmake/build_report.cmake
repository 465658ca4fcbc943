# Says in the log which build this is, and shows that compiling moves.
#
# ggfp8_report_compile_time(<target> <what>) adds a step to a build of the project itself: it prints
# one line when all sources of an OBJECT library are compiled, with their time. The time comes from
# the log of Ninja; other generators give none.
function(ggfp8_report_compile_time target what)
  if(NOT PROJECT_IS_TOP_LEVEL)
    return()
  endif()
  set(stamp ${CMAKE_CURRENT_BINARY_DIR}/${target}.compiled)
  add_custom_command(OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} -D "WHAT=${what}" -D TARGET=${target} -D STAMP=${stamp}
      -D LOG=${CMAKE_BINARY_DIR}/.ninja_log
      -P ${PROJECT_SOURCE_DIR}/cmake/print_compile_time.cmake
    DEPENDS $<TARGET_OBJECTS:${target}>
    COMMENT "Timing ${what}" VERBATIM)
  add_custom_target(${target}_compiled ALL DEPENDS ${stamp})
  add_dependencies(${target}_compiled ${target})
endfunction()

# ggfp8_report_build() says in one line which backends are built, which are left out, and how to get
# another build. The command `info` says the same of an installed library.
function(ggfp8_report_build)
  get_property(backends GLOBAL PROPERTY GGFP8_BACKENDS)
  set(gpu_backends sm90 sm100 mma)
  set(missing ${gpu_backends})
  if(backends)
    list(REMOVE_ITEM missing ${backends})
  endif()
  list(JOIN backends ", " built)
  list(JOIN gpu_backends ", " gpu_backends)
  list(JOIN missing ", " missing)
  if(missing STREQUAL gpu_backends)
    set(text "CPU only, without ${missing}. For GPUs: GGFP8_ENABLE_CUDA=ON, with nvcc 13.0")
  elseif(missing)
    set(text "${built}, cpu, without ${missing}. For everything: no options, and nvcc 13.0")
  else()
    set(text "everything (${built}, cpu). For the CPU only: GGFP8_ENABLE_CUDA=OFF")
  endif()
  message(STATUS "groupgemm_fp8: this build: ${text}")
endfunction()

# ggfp8_write_build_file(<file>) writes for `info` which architectures the GPU code is compiled for.
function(ggfp8_write_build_file file)
  get_property(architectures GLOBAL PROPERTY GGFP8_BUILT_ARCHITECTURES)
  list(JOIN architectures "\", \"" names)
  if(names)
    set(names "\"${names}\"")
  endif()
  file(WRITE ${file} "{\"architectures\": [${names}]}\n")
endfunction()
