# groupgemm_fp8_options: warnings and sanitizers for the project's own sources. Never exported.
add_library(groupgemm_fp8_options INTERFACE)

set(_cxx $<COMPILE_LANGUAGE:CXX>)
set(_c $<COMPILE_LANGUAGE:C>)
set(_cuda $<COMPILE_LANGUAGE:CUDA>)
set(_host_warnings -Wall -Wextra -Wshadow)

target_compile_options(groupgemm_fp8_options INTERFACE
  "$<$<OR:${_c},${_cxx}>:${_host_warnings};-Wpedantic>"
  "$<${_cuda}:-Xcompiler=-Wall,-Wextra>")

if(GGFP8_WARNINGS_AS_ERRORS)
  target_compile_options(groupgemm_fp8_options INTERFACE
    "$<$<OR:${_c},${_cxx}>:-Werror>"
    "$<${_cuda}:-Werror=all-warnings>")
endif()

if(GGFP8_SANITIZE)
  list(JOIN GGFP8_SANITIZE "," _sanitizers)
  set(_flags -fsanitize=${_sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  list(JOIN _flags "," _flags_for_nvcc)
  target_compile_options(groupgemm_fp8_options INTERFACE
    "$<$<OR:${_c},${_cxx}>:${_flags}>"
    "$<${_cuda}:-Xcompiler=${_flags_for_nvcc}>")
  target_link_options(groupgemm_fp8_options INTERFACE -fsanitize=${_sanitizers})
endif()
