# Install rules: the runtime component is the library and the notices that a copy of it must carry,
# the development component is the headers, the CMake package and the pkg-config file. In a wheel,
# the library and the headers go into the Python package, and pip's metadata has the notices.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(DEFINED SKBUILD)
  install(TARGETS groupgemm_fp8
    LIBRARY DESTINATION groupgemm_fp8 COMPONENT runtime
    FILE_SET HEADERS DESTINATION groupgemm_fp8/include COMPONENT runtime)
  return()
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/groupgemm_fp8)

install(TARGETS groupgemm_fp8
  EXPORT groupgemm_fp8-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT runtime
  NAMELINK_COMPONENT development
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(EXPORT groupgemm_fp8-targets
  NAMESPACE groupgemm_fp8::
  DESTINATION ${package_dir}
  COMPONENT development)

configure_package_config_file(
  cmake/groupgemm_fp8-config.cmake.in groupgemm_fp8-config.cmake
  INSTALL_DESTINATION ${package_dir}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(groupgemm_fp8-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/groupgemm_fp8-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/groupgemm_fp8-config-version.cmake
  DESTINATION ${package_dir}
  COMPONENT development)

# pkg-config finds the prefix from where its file lies, so that the tree may be moved.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir} OUTPUT_VARIABLE GGFP8_PC_UP)
configure_file(cmake/groupgemm_fp8.pc.in groupgemm_fp8.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/groupgemm_fp8.pc
  DESTINATION ${pkgconfig_dir}
  COMPONENT development)
