# What `cmake --install` puts into a prefix: headers, libraries, find_package(octavo) and pkg-config files.
include(CMakePackageConfigHelpers)
set(OCTAVO_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/octavo)
set(OCTAVO_PC_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Both files find the prefix from where they lie, so that an installed tree can be moved.
file(RELATIVE_PATH OCTAVO_PREFIX_FROM_PC /prefix/${OCTAVO_PC_DIR} /prefix)
get_target_property(octavo_type octavo TYPE)
if(octavo_type STREQUAL "STATIC_LIBRARY")
  set(OCTAVO_IS_STATIC TRUE)
  set(OCTAVO_PC_REQUIRES "libutf8proc oniguruma libjpeg libpng libtiff-4 libwebp libwebpdemux")
  set(OCTAVO_PC_LIBS "-lgif -pthread")
  if(OCTAVO_CALIBRATION)
    set(OCTAVO_PC_LIBS "-ldnnl ${OCTAVO_PC_LIBS}")
  endif()
else()
  set(OCTAVO_IS_STATIC FALSE)
  file(RELATIVE_PATH lib_from_bin /prefix/${CMAKE_INSTALL_BINDIR} /prefix/${CMAKE_INSTALL_LIBDIR})
  if(OCTAVO_TOOLS)
    set_target_properties(octavo_command PROPERTIES INSTALL_RPATH $ORIGIN/${lib_from_bin})  # where it finds the library
  endif()
  if(OCTAVO_C)
    set_target_properties(octavo_c PROPERTIES INSTALL_RPATH $ORIGIN)
  endif()
endif()

configure_package_config_file(cmake/octavoConfig.cmake.in octavoConfig.cmake INSTALL_DESTINATION ${OCTAVO_CMAKE_DIR})
write_basic_package_version_file(octavoConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(cmake/octavo-cxx.pc.in octavo-cxx.pc @ONLY)

# Components: runtime, what programs need that are linked already; development; tools, the command.
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME development)
set(library_components RUNTIME COMPONENT runtime LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
                       ARCHIVE COMPONENT development)
set(absent_headers "")
if(NOT OCTAVO_CALIBRATION)
  set(absent_headers PATTERN calibration.h EXCLUDE PATTERN analysis.h EXCLUDE)
endif()
install(DIRECTORY include/octavo DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h ${absent_headers})
install(TARGETS octavo EXPORT octavoTargets ${library_components})
install(EXPORT octavoTargets NAMESPACE octavo:: DESTINATION ${OCTAVO_CMAKE_DIR})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/octavoConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/octavoConfigVersion.cmake
        DESTINATION ${OCTAVO_CMAKE_DIR})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/octavo-cxx.pc DESTINATION ${OCTAVO_PC_DIR})

# The C interface brings what it needs: find_package(octavo COMPONENTS c), pkg-config octavo.
if(OCTAVO_C)
  configure_file(cmake/octavo.pc.in octavo.pc @ONLY)
  install(TARGETS octavo_c EXPORT octavoCTargets ${library_components})
  install(EXPORT octavoCTargets NAMESPACE octavo:: DESTINATION ${OCTAVO_CMAKE_DIR})
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/octavo.pc DESTINATION ${OCTAVO_PC_DIR})
endif()
