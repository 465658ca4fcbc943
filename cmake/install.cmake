# Install rules: the runtime component is the library and the notices that a copy of it must carry,
# the development component is the headers, the CMake package and the pkg-config file. In a wheel
# all of them but the notices and the pkg-config file go into the Python package, as one component;
# pip's metadata has the notices.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Installs the CMake package, which finds the library and the headers from where it lies itself.
function(_ggfp8_install_cmake_package package_dir component)
  install(EXPORT groupgemm_fp8-targets
    NAMESPACE groupgemm_fp8::
    DESTINATION ${package_dir}
    COMPONENT ${component})
  configure_package_config_file(
    cmake/groupgemm_fp8-config.cmake.in groupgemm_fp8-config.cmake
    INSTALL_DESTINATION ${package_dir}
    NO_SET_AND_CHECK_MACRO)
  write_basic_package_version_file(
    groupgemm_fp8-config-version.cmake COMPATIBILITY SameMajorVersion)
  install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/groupgemm_fp8-config.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/groupgemm_fp8-config-version.cmake
    DESTINATION ${package_dir}
    COMPONENT ${component})
endfunction()

if(DEFINED SKBUILD)
  install(TARGETS groupgemm_fp8
    EXPORT groupgemm_fp8-targets
    LIBRARY DESTINATION groupgemm_fp8 COMPONENT runtime
    FILE_SET HEADERS DESTINATION groupgemm_fp8/include COMPONENT runtime)
  _ggfp8_install_cmake_package(groupgemm_fp8/cmake runtime)
  ggfp8_write_build_file(${CMAKE_CURRENT_BINARY_DIR}/build.json)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/build.json DESTINATION groupgemm_fp8 COMPONENT runtime)
  return()
endif()

install(TARGETS groupgemm_fp8
  EXPORT groupgemm_fp8-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT runtime
  NAMELINK_COMPONENT development
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
_ggfp8_install_cmake_package(${CMAKE_INSTALL_LIBDIR}/cmake/groupgemm_fp8 development)

# pkg-config finds the prefix from where its file lies, so that the tree may be moved.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir} OUTPUT_VARIABLE GGFP8_PC_UP)
configure_file(cmake/groupgemm_fp8.pc.in groupgemm_fp8.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/groupgemm_fp8.pc
  DESTINATION ${pkgconfig_dir}
  COMPONENT development)
