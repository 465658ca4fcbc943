# Prints how long the sources of one target took to compile, and touches STAMP.
#
#   cmake -D WHAT=text -D TARGET=target -D LOG=.ninja_log -D STAMP=file -P print_compile_time.cmake
#
# A line of the log has start and end in milliseconds, a time of the file, its path and a hash. Of
# several lines about one file the last one counts.
cmake_minimum_required(VERSION 3.25)

set(milliseconds 0)
set(files "")
if(EXISTS ${LOG})
  file(STRINGS ${LOG} lines REGEX "/${TARGET}\\.dir/.*\\.o\t")
  list(REVERSE lines)
  foreach(line IN LISTS lines)
    string(REPLACE "\t" ";" fields "${line}")
    list(GET fields 0 start)
    list(GET fields 1 end)
    list(GET fields 3 file)
    if(NOT file IN_LIST files)
      list(APPEND files ${file})
      math(EXPR milliseconds "${milliseconds} + ${end} - ${start}")
    endif()
  endforeach()
endif()

list(LENGTH files count)
if(count)
  math(EXPR seconds "(${milliseconds} + 500) / 1000")
  message(STATUS "groupgemm_fp8: ${WHAT}: compiled, ${count} files took ${seconds} s")
else()
  message(STATUS "groupgemm_fp8: ${WHAT}: compiled")
endif()
file(TOUCH ${STAMP})
