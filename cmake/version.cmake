# Sets GGFP8_VERSION from the public header, the only place that states the version.
set(_ggfp8_header ${CMAKE_CURRENT_LIST_DIR}/../cpp/include/groupgemm_fp8/groupgemm_fp8.h)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${_ggfp8_header})

set(GGFP8_VERSION "")
foreach(_part MAJOR MINOR PATCH)
  file(STRINGS ${_ggfp8_header} _line REGEX "^#define GGFP8_VERSION_${_part} [0-9]+$")
  if(NOT _line MATCHES "([0-9]+)$")
    message(FATAL_ERROR "groupgemm_fp8: no GGFP8_VERSION_${_part} in ${_ggfp8_header}")
  endif()
  list(APPEND GGFP8_VERSION ${CMAKE_MATCH_1})
endforeach()
list(JOIN GGFP8_VERSION "." GGFP8_VERSION)
