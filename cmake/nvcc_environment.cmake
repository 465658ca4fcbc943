# ggfp8_nvcc_launcher(<result>) sets <result> to a command that runs nvcc without the options that
# nvcc itself takes from the environment.
#
# NVCC_APPEND_FLAGS is read after the options of a build and NVCC_PREPEND_FLAGS before them, so that
# --use_fast_math or --ftz=true there changes what kernels compute. Options that only say which host
# compiler serves nvcc are kept: conda's compilers state it in NVCC_PREPEND_FLAGS.
set(GGFP8_NVCC_FLAGS "" CACHE STRING
  "Options of nvcc that name the host compiler, from NVCC_PREPEND_FLAGS and NVCC_APPEND_FLAGS")
mark_as_advanced(GGFP8_NVCC_FLAGS)

# Splits the options of both variables into those to keep and those to leave out.
function(_ggfp8_split_nvcc_flags kept dropped)
  separate_arguments(words UNIX_COMMAND "$ENV{NVCC_PREPEND_FLAGS} $ENV{NVCC_APPEND_FLAGS}")
  set(keep "")
  set(drop "")
  set(wants_value FALSE)
  foreach(word IN LISTS words)
    if(wants_value OR word MATCHES "^--?(ccbin|compiler-bindir|allow-unsupported-compiler)(=|$)")
      list(APPEND keep ${word})
    else()
      list(APPEND drop ${word})
    endif()
    set(wants_value FALSE)
    if(word MATCHES "^--?(ccbin|compiler-bindir)$")
      set(wants_value TRUE)
    endif()
  endforeach()
  list(JOIN keep " " keep)
  list(JOIN drop " " drop)
  set(${kept} "${keep}" PARENT_SCOPE)
  set(${dropped} "${drop}" PARENT_SCOPE)
endfunction()

_ggfp8_split_nvcc_flags(_ggfp8_kept _ggfp8_dropped)
if(_ggfp8_kept)
  set_property(CACHE GGFP8_NVCC_FLAGS PROPERTY VALUE "${_ggfp8_kept}")
endif()
if(_ggfp8_dropped)
  message(STATUS "groupgemm_fp8: NVCC_PREPEND_FLAGS, NVCC_APPEND_FLAGS: left out of the library's "
    "kernels: ${_ggfp8_dropped}")
endif()

function(ggfp8_nvcc_launcher result)
  set(launcher ${CMAKE_COMMAND} -E env --unset=NVCC_APPEND_FLAGS)
  if(GGFP8_NVCC_FLAGS)
    list(APPEND launcher "NVCC_PREPEND_FLAGS=${GGFP8_NVCC_FLAGS}")
  else()
    list(APPEND launcher --unset=NVCC_PREPEND_FLAGS)
  endif()
  set(${result} "${launcher}" PARENT_SCOPE)
endfunction()
