# ggfp8_find_cutlass(<result> <reason>) sets <result> to the folder of CUTLASS's headers, or sets
# <result> to "" and <reason> to why there is none.
#
# GGFP8_CUTLASS_INCLUDE_DIR, as a cache or an environment variable, names the folder. Otherwise pip
# fetches the one version that this project was tested with, checks its hash, and leaves it in the
# build tree. The package's own requirements are those of its Python modules, which nobody uses.
set(GGFP8_CUTLASS_VERSION 4.2.0)
set(GGFP8_CUTLASS_REQUIREMENT "nvidia-cutlass==4.2.0.0 \
--hash=sha256:f9599ada45c7bcb6bf53f7d3f0a7d154183e53451c01bfa59eecd37dd4a693f6")

function(ggfp8_find_cutlass result reason)
  set(${result} "" PARENT_SCOPE)
  set(folder ${GGFP8_CUTLASS_INCLUDE_DIR})
  if(NOT folder AND DEFINED ENV{GGFP8_CUTLASS_INCLUDE_DIR})
    set(folder $ENV{GGFP8_CUTLASS_INCLUDE_DIR})
  endif()
  if(NOT folder)
    _ggfp8_fetch_cutlass(folder why)
    if(NOT folder)
      set(${reason} "${why}" PARENT_SCOPE)
      return()
    endif()
  endif()

  set(header ${folder}/cutlass/version.h)
  if(NOT EXISTS ${header})
    set(${reason} "${folder} has no cutlass/version.h" PARENT_SCOPE)
    return()
  endif()
  set(version "")
  foreach(part IN ITEMS MAJOR MINOR PATCH)
    file(STRINGS ${header} line REGEX "^#define CUTLASS_${part} +[0-9]+")
    string(REGEX MATCH "[0-9]+$" number "${line}")
    list(APPEND version ${number})
  endforeach()
  list(JOIN version "." version)
  if(NOT version VERSION_EQUAL GGFP8_CUTLASS_VERSION)
    set(${reason} "${folder} has CUTLASS ${version}, not ${GGFP8_CUTLASS_VERSION}" PARENT_SCOPE)
    return()
  endif()
  set(${result} ${folder} PARENT_SCOPE)
endfunction()

# Sets result and reason for the folder in the build tree, which is fetched once.
function(_ggfp8_fetch_cutlass result reason)
  set(${result} "" PARENT_SCOPE)
  set(root ${PROJECT_BINARY_DIR}/cutlass)
  set(include_dir ${root}/cutlass_library/source/include)
  if(EXISTS ${include_dir}/cutlass/version.h)
    set(${result} ${include_dir} PARENT_SCOPE)
    return()
  endif()
  find_package(Python COMPONENTS Interpreter QUIET)
  if(NOT Python_Interpreter_FOUND)
    set(${reason} "no Python was found to fetch CUTLASS with" PARENT_SCOPE)
    return()
  endif()
  message(STATUS "groupgemm_fp8: fetching the headers of CUTLASS ${GGFP8_CUTLASS_VERSION}")
  file(WRITE ${root}/requirements.txt "${GGFP8_CUTLASS_REQUIREMENT}\n")
  execute_process(
    COMMAND ${Python_EXECUTABLE} -m pip download --quiet --disable-pip-version-check
      --no-deps --require-hashes --requirement ${root}/requirements.txt --dest ${root}
    RESULT_VARIABLE code ERROR_VARIABLE text)
  file(GLOB wheel ${root}/nvidia_cutlass-*.whl)
  if(NOT code EQUAL 0 OR NOT wheel)
    string(REGEX MATCH "ERROR[^\n]*" text "${text}")
    message(STATUS "groupgemm_fp8: pip could not fetch CUTLASS: ${text}")
    set(${reason} "pip could not fetch CUTLASS" PARENT_SCOPE)
    return()
  endif()
  file(ARCHIVE_EXTRACT INPUT ${wheel} DESTINATION ${root}
    PATTERNS cutlass_library/source/include/*)
  set(${result} ${include_dir} PARENT_SCOPE)
endfunction()
