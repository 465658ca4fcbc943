# ggfp8_link_for_glibc(<target> <version>) links a shared library so that a glibc of the given
# version can load it, which may be older than that of the machine that builds. old_glibc.py writes
# the libraries to link against.
function(ggfp8_link_for_glibc target version)
  find_package(Python COMPONENTS Interpreter REQUIRED)
  set(folder ${PROJECT_BINARY_DIR}/glibc-${version})
  execute_process(
    COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/old_glibc.py
      ${CMAKE_CXX_COMPILER} ${version} ${folder}
    RESULT_VARIABLE code ERROR_VARIABLE text)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "groupgemm_fp8: GGFP8_GLIBC=${version}: ${text}")
  endif()
  target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/cpp/src/host/old_glibc.cpp)
  # A link directory of CMake would become a run path, and stand-ins must never be loaded.
  target_link_options(${target} PRIVATE -L${folder})
  target_link_libraries(${target} PRIVATE -lpthread -ldl -lrt)
endfunction()
